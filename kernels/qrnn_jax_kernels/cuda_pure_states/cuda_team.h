// A team on a GPU: see team.h. Threads of a warp exchange numbers by shuffles, warps through shared
// memory.
#pragma once

#include <type_traits>

#define QRNN_DEVICE __device__ __forceinline__
#define QRNN_BOTH __host__ __device__ __forceinline__
#define QRNN_UNROLL _Pragma("unroll")

namespace qrnn_cuda {

template <typename T>
QRNN_DEVICE T choose(bool flag, T a, T b) {
  return flag ? a : b;
}

QRNN_DEVICE bool odd(int bits) { return __popc(bits) & 1; }

template <typename T, bool several_warps>
struct Team {
  using Number = T;
  template <typename X>
  using Lanes = X;
  using Value = T;
  using Flag = bool;
  using Pair = std::conditional_t<sizeof(T) == 4, float2, double2>;

  int warps, thread;
  T* buffer;  // in shared memory, for what threads exchange

  template <typename F>
  QRNN_DEVICE auto each(F f) const {
    return f(thread);
  }

  template <typename F>
  QRNN_DEVICE void visit(F f) const {
    f(thread);
  }

  template <typename X>
  static QRNN_DEVICE X at(X lanes, int) {
    return lanes;
  }

  QRNN_DEVICE T load(const T* from, int64_t k) const { return from ? __ldg(from + k) : T(0); }

  QRNN_DEVICE void load_pair(const T* from, T& x, T& y) const {
    const Pair found = from ? *reinterpret_cast<const Pair*>(from) : Pair{};
    x = found.x;
    y = found.y;
  }

  QRNN_DEVICE void store_pair(T* to, T x, T y) const {
    if (to) *reinterpret_cast<Pair*>(to) = Pair{x, y};
  }

  QRNN_DEVICE void store(T* to, int64_t k, T x) const {
    if (to) to[k] = x;
  }

  QRNN_DEVICE void add(T* to, int64_t k, T x) const {
    if (to) to[k] += x;
  }

  template <int count>
  QRNN_DEVICE void swap(T* x, int mask) const {
    if constexpr (several_warps) {
      if (mask >= 32) return swap_warps<count>(x, mask);
    }
    QRNN_UNROLL
    for (int k = 0; k < count; ++k) x[k] = __shfl_xor_sync(0xffffffffu, x[k], mask);
  }

  QRNN_DEVICE void put(int k, T x) const { buffer[32 * warps * k + thread] = x; }

  QRNN_DEVICE T peek(int k, int other) const { return buffer[32 * warps * k + other]; }

  QRNN_DEVICE void fence() const { __syncwarp(); }

 private:
  template <int count>
  QRNN_DEVICE void swap_warps(T* x, int mask) const {
    QRNN_UNROLL
    for (int k = 0; k < count; ++k) put(k, x[k]);
    __syncthreads();
    QRNN_UNROLL
    for (int k = 0; k < count; ++k) x[k] = peek(k, thread ^ mask);
    __syncthreads();
  }
};

}  // namespace qrnn_cuda
