// A team on a host, to test the kernel without a GPU: see team.h. All threads run in lock-step, each
// in its own place of an array.
#pragma once

#include <type_traits>

#define QRNN_DEVICE inline
#define QRNN_BOTH inline
#define QRNN_UNROLL

namespace qrnn_cuda {

template <typename X, int N>
struct Many {
  X lane[N];
};

#define QRNN_LANEWISE(op)                                                     \
  template <typename T, int N>                                                \
  inline Many<T, N> operator op(const Many<T, N>& a, const Many<T, N>& b) {   \
    Many<T, N> found;                                                         \
    for (int l = 0; l < N; ++l) found.lane[l] = a.lane[l] op b.lane[l];       \
    return found;                                                             \
  }
QRNN_LANEWISE(+)
QRNN_LANEWISE(-)
QRNN_LANEWISE(*)
#undef QRNN_LANEWISE

template <typename T, int N>
inline Many<T, N> operator-(const Many<T, N>& a) {
  return Many<T, N>{} - a;
}

template <typename T, int N>
inline Many<T, N>& operator+=(Many<T, N>& a, const Many<T, N>& b) {
  return a = a + b;
}

template <typename T, int N>
inline Many<T, N> choose(const Many<bool, N>& flag, const Many<T, N>& a, const Many<T, N>& b) {
  Many<T, N> found;
  for (int l = 0; l < N; ++l) found.lane[l] = flag.lane[l] ? a.lane[l] : b.lane[l];
  return found;
}

inline bool odd(int bits) { return __builtin_parity(bits); }

template <typename T, int W>
struct Team {
  using Number = T;
  static constexpr int warps = W, threads = 32 * W;
  template <typename X>
  using Lanes = Many<X, threads>;
  using Value = Lanes<T>;
  using Flag = Lanes<bool>;

  T* buffer;  // for what threads exchange

  template <typename F>
  auto each(F f) const {
    Lanes<std::decay_t<decltype(f(0))>> found;
    for (int t = 0; t < threads; ++t) found.lane[t] = f(t);
    return found;
  }

  template <typename F>
  void visit(F f) const {
    for (int t = 0; t < threads; ++t) f(t);
  }

  template <typename X>
  static X at(const Lanes<X>& lanes, int thread) {
    return lanes.lane[thread];
  }

  Value load(const Lanes<const T*>& from, int64_t k) const {
    return each([&](int t) { return from.lane[t] ? from.lane[t][k] : T(0); });
  }

  void load_pair(const Lanes<const T*>& from, Value& x, Value& y) const {
    x = load(from, 0);
    y = load(from, 1);
  }

  void store_pair(const Lanes<T*>& to, const Value& x, const Value& y) const {
    store(to, 0, x);
    store(to, 1, y);
  }

  void store(const Lanes<T*>& to, int64_t k, const Value& x) const {
    for (int t = 0; t < threads; ++t) {
      if (to.lane[t]) to.lane[t][k] = x.lane[t];
    }
  }

  void add(const Lanes<T*>& to, int64_t k, const Value& x) const {
    for (int t = 0; t < threads; ++t) {
      if (to.lane[t]) to.lane[t][k] += x.lane[t];
    }
  }

  template <int count>
  void swap(Value* x, int mask) const {
    for (int k = 0; k < count; ++k) {
      const Value old = x[k];
      for (int t = 0; t < threads; ++t) x[k].lane[t] = old.lane[t ^ mask];
    }
  }

  void put(int k, const Value& x) const {
    for (int t = 0; t < threads; ++t) buffer[threads * k + t] = x.lane[t];
  }

  T peek(int k, int other) const { return buffer[threads * k + other]; }

  void fence() const {}
};

}  // namespace qrnn_cuda
