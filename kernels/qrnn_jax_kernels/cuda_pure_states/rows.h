// Which sequence a thread works on, and sums over the amplitudes of a sequence.
//
// A warp holds one sequence, or 2^k small ones; or the warps of a block hold one. A wide state is cut
// into parts, each of which has warps of its own. Sums are made inside a warp. A row is what one sum
// belongs to: a warp of a part of a sequence, or less. Rows are added up later, in a fixed order.
#pragma once

#include "task.h"
#include "team.h"

namespace qrnn_cuda {

template <typename Team>
class Rows {
 public:
  using T = typename Team::Number;
  using Value = typename Team::Value;
  using Flag = typename Team::Flag;

  // lane_bits: how many bits of a lane's number belong to the place of an amplitude.
  QRNN_DEVICE Rows(const Team& team, const Task<T>& task, int lane_bits, int64_t block)
      : team_(team), task_(task), lane_bits_(lane_bits), block_(block) {}

  QRNN_DEVICE int64_t row(int thread) const {
    return (block_ * 32 * team_.warps + thread) >> lane_bits_;
  }

  // Among the rows of the block.
  QRNN_DEVICE int local(int thread) const { return thread >> lane_bits_; }

  QRNN_DEVICE int lanes() const { return 1 << lane_bits_; }

  QRNN_DEVICE bool is_used(int thread) const {
    return row(thread) < task_.batch * task_.parts * team_.warps;
  }

  // Threads without one repeat the last one, and write nothing.
  QRNN_DEVICE int64_t sequence(int thread) const {
    const int64_t found = row(thread) / team_.warps / task_.parts;
    return found < task_.batch ? found : task_.batch - 1;
  }

  // Which part of the sequence.
  QRNN_DEVICE int part(int thread) const {
    return static_cast<int>(row(thread) / team_.warps % task_.parts);
  }

  // Each of `count` values becomes its sum over the threads of a row. While there are several, a
  // thread gives one half away and keeps the other: see `held`.
  template <int count, int bit = 0>
  QRNN_DEVICE void add_up(Value* x) const {
    if constexpr (bit < 5) {
      if (bit >= lane_bits_) return;
      constexpr int half = count > 1 ? count / 2 : 1;
      const Flag upper = team_.each([](int thread) -> bool { return thread >> bit & 1; });
      Value sent[half];
      QRNN_UNROLL
      for (int k = 0; k < half; ++k) {
        sent[k] = count > 1 ? choose(upper, x[k], x[k + count - half]) : x[k];
        x[k] = count > 1 ? choose(upper, x[k + count - half], x[k]) : x[k];
      }
      team_.template swap<half>(sent, 1 << bit);
      QRNN_UNROLL
      for (int k = 0; k < half; ++k) x[k] += sent[k];
      add_up<half, bit + 1>(x);
    }
  }

  // The first of the values that a thread has after `add_up`; -1 if another has them, too.
  QRNN_DEVICE int held(int thread, int count) const {
    int first = 0;
    QRNN_UNROLL
    for (int bit = 0; bit < 5; ++bit) {
      if (bit >= lane_bits_) break;
      const bool upper = thread >> bit & 1;
      if (count == 1 && upper) return -1;
      count = count > 1 ? count / 2 : 1;
      first += upper ? count : 0;
    }
    return first;
  }

  // How many values that are.
  QRNN_DEVICE int held_count(int count) const {
    return count >> lane_bits_ > 1 ? count >> lane_bits_ : 1;
  }

 private:
  const Team& team_;
  const Task<T>& task_;
  int lane_bits_;
  int64_t block_;
};

}  // namespace qrnn_cuda
