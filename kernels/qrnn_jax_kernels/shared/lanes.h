// A vector register whose lanes hold some sequences and, of each, some amplitudes.
#pragma once

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <type_traits>

namespace qrnn {

// Of a register: as wide as the processor's own, where the compiler was told of it.
#ifdef __AVX512F__
constexpr int kBytes = 64;
#else
constexpr int kBytes = 32;
#endif
constexpr size_t kLine = 64;  // bytes of a line of the caches

#define QRNN_INLINE __attribute__((always_inline))

template <typename T>
struct Complex;

template <typename T>
struct Lanes {
  static constexpr int count = kBytes / sizeof(T);
  static constexpr int bits = count == 16 ? 4 : count == 8 ? 3 : 2;
  using Int = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  typedef T Vec __attribute__((vector_size(kBytes)));
  typedef Int Index __attribute__((vector_size(kBytes)));

  // The number of every lane.
  static inline Index numbers() {
    if constexpr (count == 16) {
      return Index{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    } else if constexpr (count == 8) {
      return Index{0, 1, 2, 3, 4, 5, 6, 7};
    } else {
      return Index{0, 1, 2, 3};
    }
  }

  // -1 in lanes whose number has an odd count of the bits of `value`.
  static inline Index odd(Int value) {
    Index x = numbers() & value;
    x ^= x >> 2;
    x ^= x >> 1;
    return -(x & 1);
  }

  // Whether all lanes are -1, none 0.
  static inline bool all(Index x) {
    for (Int half = count / 2; half; half /= 2) {
#if defined(__clang__)
      for (int l = 0; l < half; ++l) x[l] &= x[l + half];
#else
      x &= __builtin_shuffle(x, numbers() ^ half);
#endif
    }
    return x[0];
  }

  // The value of lane l ^ mask in lane l.
  static inline Vec swapped(Vec x, Int mask) {
#if defined(__clang__)
    Vec y;
    for (int l = 0; l < count; ++l) y[l] = x[l ^ mask];
    return y;
#else
    return __builtin_shuffle(x, numbers() ^ mask);
#endif
  }

  static inline Complex<T> swapped(Complex<T> x, Int mask);
};

template <typename T>
struct Complex {
  typename Lanes<T>::Vec re, im;
};

// To and from memory, part by part: compilers copy the whole by way of the stack, in other pieces
// than it is used in, and the processor waits.
template <typename T>
QRNN_INLINE inline Complex<T> held(const Complex<T>& x) {
  return {x.re, x.im};
}

template <typename T>
QRNN_INLINE inline void keep(Complex<T>& to, const Complex<T>& x) {
  to.re = x.re;
  to.im = x.im;
}

template <typename T>
inline Complex<T> Lanes<T>::swapped(Complex<T> x, Int mask) {
  return mask ? Complex<T>{swapped(x.re, mask), swapped(x.im, mask)} : x;
}

template <typename T>
inline Complex<T> conj(Complex<T> a) {
  return {a.re, -a.im};
}

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

// sum += a b, each product in one operation with its addition
template <typename T>
inline void add_times(Complex<T>& sum, Complex<T> a, Complex<T> b) {
  sum.re += a.re * b.re;
  sum.im += a.re * b.im;
  sum.re -= a.im * b.im;
  sum.im += a.im * b.re;
}

// sum += conj(a) b
template <typename T>
inline void add_conj_times(Complex<T>& sum, Complex<T> a, Complex<T> b) {
  sum.re += a.re * b.re;
  sum.im += a.re * b.im;
  sum.re += a.im * b.im;
  sum.im -= a.im * b.re;
}

// a b and sum += a b, with a real a where `complex` is false; sum += conj(a) b, of which only the
// real part is wanted then.
template <bool complex, typename T>
QRNN_INLINE inline Complex<T> product(Complex<T> a, Complex<T> b) {
  return complex ? times(a, b) : Complex<T>{a.re * b.re, a.re * b.im};
}

template <bool complex, typename T>
QRNN_INLINE inline void add_product(Complex<T>& sum, Complex<T> a, Complex<T> b) {
  if constexpr (complex) return add_times(sum, a, b);
  sum.re += a.re * b.re;
  sum.im += a.re * b.im;
}

template <bool complex, typename T>
QRNN_INLINE inline void add_conj_product(Complex<T>& sum, Complex<T> a, Complex<T> b) {
  if constexpr (complex) return add_conj_times(sum, a, b);
  sum.re += a.re * b.re;
  sum.re += a.im * b.im;
}

// `yes` in lanes where the mask is -1, `no` where it is 0.
template <typename T>
inline typename Lanes<T>::Vec select(typename Lanes<T>::Index mask, typename Lanes<T>::Vec yes,
                                     typename Lanes<T>::Vec no) {
  return mask ? yes : no;
}

template <typename T>
inline Complex<T> select(typename Lanes<T>::Index mask, Complex<T> yes, Complex<T> no) {
  return {mask ? yes.re : no.re, mask ? yes.im : no.im};
}

constexpr size_t kHugePage = size_t{1} << 21;

// A hint for memory that nothing has touched yet: far fewer page faults, and fewer entries of the
// page table in use while a wide state is walked through.
inline void prefer_huge_pages(void* begin, size_t bytes) {
#ifdef MADV_HUGEPAGE
  const auto at = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t first = (at + kHugePage - 1) / kHugePage, last = (at + bytes) / kHugePage;
  if (first >= last) return;
  madvise(reinterpret_cast<void*>(first * kHugePage), (last - first) * kHugePage, MADV_HUGEPAGE);
#else
  (void)begin, (void)bytes;
#endif
}

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

// Aligned, not initialised.
template <typename V>
using Block = std::unique_ptr<V[], Free>;

template <typename V>
Block<V> block(size_t size) {
  const size_t wanted = std::max<size_t>(size * sizeof(V), 1);
  const size_t unit = wanted < kHugePage ? kLine : kHugePage;
  const size_t bytes = (wanted + unit - 1) / unit * unit;
  Block<V> found(static_cast<V*>(std::aligned_alloc(unit, bytes)));
  prefer_huge_pages(found.get(), bytes);
  return found;
}

}  // namespace qrnn
