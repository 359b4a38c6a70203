// One step on real amplitudes: turns whose angles other bits choose, wires that join and leave.
//
//   turn:  out(i) = C(i) in(i) + S(i) in(i with the target's bit flipped)
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "../shared/lanes.h"

namespace qrnn {

enum Action { kTurn = 0, kGrow = 1, kPick = 2, kExchange = 3, kKeep = 4, kSwap = 5 };

// `bit` of an amplitude's index, 0 the least; `choice` is a place among the step's own numbers, -1
// for none (then it is 0): the word that chooses the table, or the bit that is known. `words` of a
// swap is the other wire's bit.
struct Instruction {
  int action, bit, choice, words, wires;  // wires before it
  int64_t offset;                         // of its tables
};

struct RealProgram {
  int wires;
  size_t read;  // how many instructions come before the read-out
  bool rescales;
  std::vector<Instruction> instructions;
  std::vector<int> read_bits;  // first one most significant
};

constexpr int64_t kLeast = 16;  // numbers of the smallest vector, unused ones are 0

inline int64_t padded(int wires) { return std::max<int64_t>(int64_t{1} << wires, kLeast); }

inline int wires_after(const Instruction& given) {
  return given.wires + (given.action == kGrow) - (given.action == kPick);
}

template <typename T>
class Step {
 public:
  using L = Lanes<T>;
  using Vec = typename L::Vec;

  Step(const Instruction& given, const T* fixed, const T* choices)
      : given_(given), size_(padded(given.wires)), out_size_(padded(wires_after(given))) {
    const T told = given.choice < 0 ? T(0) : choices[given.choice];
    const int many = given.action == kTurn ? given.words : 2;
    known_ = told >= 0 && told < many;
    chosen_ = known_ ? static_cast<int64_t>(told) : 0;
    place_ = given.offset + chosen_ * 2 * size_;
    table_ = fixed + place_;
  }

  void forward(const T* in, T* out) const {
    if (!known_) {
      std::fill_n(out, out_size_, std::numeric_limits<T>::quiet_NaN());
      return;
    }
    const int64_t half = int64_t{1} << given_.bit, all = int64_t{1} << given_.wires;
    switch (given_.action) {
      case kTurn:
        return turn(in, out);
      case kGrow:  // as the most significant bit
        std::fill_n(out, out_size_, T(0));
        std::copy_n(in, all, out + chosen_ * all);
        return;
      case kPick:
        std::fill_n(out, out_size_, T(0));
        for (int64_t i = 0; i < all; i += 2 * half) {
          std::copy_n(in + i + chosen_ * half, half, out + i / 2);
        }
        return;
      case kExchange:
        for (int64_t i = 0; i < size_; ++i) out[i] = in[chosen_ && i < all ? i ^ half : i];
        return;
      case kSwap:
        for (int64_t i = 0; i < size_; ++i) out[i] = in[swapped(i)];
        return;
      default:
        for (int64_t i = 0; i < size_; ++i) out[i] = chosen_ ? T(0) : in[i];
    }
  }

  // From the slope of `out` to that of `in`; `sums` are the slopes of all tables.
  void backward(const T* in, const T* slope, T* in_slope, T* sums) const {
    if (!known_) {
      std::fill_n(in_slope, size_, std::numeric_limits<T>::quiet_NaN());
      return;
    }
    const int64_t half = int64_t{1} << given_.bit, all = int64_t{1} << given_.wires;
    switch (given_.action) {
      case kTurn:
        return turn_back(in, slope, in_slope, sums + place_);
      case kGrow:
        std::fill_n(in_slope, size_, T(0));
        std::copy_n(slope + chosen_ * all, all, in_slope);
        return;
      case kPick:
        std::fill_n(in_slope, size_, T(0));
        for (int64_t i = 0; i < all; i += 2 * half) {
          std::copy_n(slope + i / 2, half, in_slope + i + chosen_ * half);
        }
        return;
      default:  // they are their own transposes
        forward(slope, in_slope);
    }
  }

 private:
  // An index with the bits of the two wires in each other's places.
  int64_t swapped(int64_t i) const {
    const int64_t differ = (i >> given_.bit ^ i >> given_.words) & 1;
    return i ^ (differ << given_.bit | differ << given_.words);
  }

  void turn(const T* in, T* out) const {
    const Vec *c = vectors(table_), *s = vectors(table_ + size_), *x = vectors(in);
    Vec* y = vectors(out);
    const int64_t rows = size_ / L::count;
    if (given_.bit >= L::bits) {
      const int64_t flip = int64_t{1} << (given_.bit - L::bits);
      for (int64_t r = 0; r < rows; ++r) y[r] = c[r] * x[r] + s[r] * x[r ^ flip];
    } else {
      const int flip = 1 << given_.bit;
      for (int64_t r = 0; r < rows; ++r) y[r] = c[r] * x[r] + s[r] * L::swapped(x[r], flip);
    }
  }

  void turn_back(const T* in, const T* slope, T* in_slope, T* sums) const {
    const Vec *c = vectors(table_), *s = vectors(table_ + size_);
    const Vec *x = vectors(in), *k = vectors(slope);
    Vec *y = vectors(in_slope), *c_sum = vectors(sums), *s_sum = vectors(sums + size_);
    const int64_t rows = size_ / L::count;
    if (given_.bit >= L::bits) {
      const int64_t flip = int64_t{1} << (given_.bit - L::bits);
      for (int64_t r = 0; r < rows; ++r) {
        y[r] = c[r] * k[r] + s[r ^ flip] * k[r ^ flip];
        c_sum[r] += k[r] * x[r];
        s_sum[r] += k[r] * x[r ^ flip];
      }
    } else {
      const int flip = 1 << given_.bit;
      for (int64_t r = 0; r < rows; ++r) {
        y[r] = c[r] * k[r] + L::swapped(s[r] * k[r], flip);
        c_sum[r] += k[r] * x[r];
        s_sum[r] += k[r] * L::swapped(x[r], flip);
      }
    }
  }

  static const Vec* vectors(const T* at) { return reinterpret_cast<const Vec*>(at); }
  static Vec* vectors(T* at) { return reinterpret_cast<Vec*>(at); }

  const Instruction& given_;
  int64_t size_, out_size_, chosen_, place_;
  const T* table_;
  bool known_;
};

}  // namespace qrnn
