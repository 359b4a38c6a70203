// A team of threads in lock-step: one warp, or the warps of one block.
//
// The kernel is written once, for a team whose threads all do the same. What differs from thread to
// thread is a Lanes<X>. On a GPU that is an X in a register of the thread; on a host it is an array
// with an X for every thread, and each operation runs over all of them. A team offers
//
//   warps                how many, of 32 threads each
//   Value, Flag          Lanes of numbers and of truths; numbers have +, -, * and unary -
//   each(f)              the Lanes of f(thread)
//   visit(f)             f(thread), for its effects
//   at(lanes, thread)    the X of the thread that is asking
//   load(from, k)        from[k] in every lane; nothing (0) where `from` is null
//   store(to, k, x)      to[k] = x, and add(to, k, x): to[k] += x; not where `to` is null
//   load_pair(from, x, y), store_pair(to, x, y): two numbers that lie together, also written by the
//                        same kernel; as load and store else
//   swap<count>(x, mask) x[0 .. count) of thread t ^ mask in thread t
//   put(k, x)            leaves x for other threads of the warp under the number k
//   peek(k, thread)      what a thread of the warp left there
//   fence()              what the threads of a warp wrote before, they all see after; also between
//                        `peek` and the next `put` or `swap`
//
// and choose(flag, a, b) is a in the lanes where the flag is set, elsewhere b.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#include "cuda_team.h"
#else
#include "host_team.h"
#endif
