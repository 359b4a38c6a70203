// A vector register whose lanes hold some sequences and, of each, some amplitudes.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <type_traits>

namespace qrnn {

constexpr int kBytes = 64;

template <typename T>
struct Lanes {
  static constexpr int count = kBytes / sizeof(T);
  static constexpr int bits = sizeof(T) == 4 ? 4 : 3;
  using Int = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  typedef T Vec __attribute__((vector_size(kBytes)));
  typedef Int Index __attribute__((vector_size(kBytes)));

  // The value of lane l ^ mask in lane l.
  static inline Vec swapped(Vec x, int mask) {
    if (mask == 0) return x;
    Vec y;
    for (int l = 0; l < count; ++l) y[l] = x[l ^ mask];
    return y;
  }

  static inline Vec all(T value) {
    Vec x;
    for (int l = 0; l < count; ++l) x[l] = value;
    return x;
  }
};

#if defined(__GNUC__) && !defined(__clang__)
template <>
inline Lanes<float>::Vec Lanes<float>::swapped(Vec x, int mask) {
  Index place;
  for (int l = 0; l < count; ++l) place[l] = l ^ mask;
  return __builtin_shuffle(x, place);
}
template <>
inline Lanes<double>::Vec Lanes<double>::swapped(Vec x, int mask) {
  Index place;
  for (int l = 0; l < count; ++l) place[l] = l ^ mask;
  return __builtin_shuffle(x, place);
}
#endif

template <typename T>
struct Complex {
  typename Lanes<T>::Vec re, im;
};

template <typename T>
inline Complex<T> times(Complex<T> a, Complex<T> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// conj(a) b
template <typename T>
inline Complex<T> conj_times(Complex<T> a, Complex<T> b) {
  return {a.re * b.re + a.im * b.im, a.re * b.im - a.im * b.re};
}

template <typename T>
inline void add(Complex<T>& sum, Complex<T> a) {
  sum.re += a.re;
  sum.im += a.im;
}

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

// Aligned, not initialised.
template <typename V>
using Block = std::unique_ptr<V[], Free>;

template <typename V>
Block<V> block(size_t size) {
  size_t bytes = (size * sizeof(V) + kBytes - 1) / kBytes * kBytes;
  return Block<V>(static_cast<V*>(std::aligned_alloc(kBytes, bytes ? bytes : kBytes)));
}

}  // namespace qrnn
