// Phases on a few wires inside a tile, and their adjoints.
#pragma once

#include "gates.h"
#include "shape.h"

namespace qrnn {

// Phases on the wires of a tile.
template <typename T>
class Phases {
 public:
  using L = Lanes<T>;
  using C = Complex<T>;

  // Bits as `Shape::any` tells them, of the wires in order.
  void set(const Numbered<T>& given, const int* bits, const Shape& shape, bool adjoint) {
    given_ = given;
    count_ = given.gate->count;
    for (int i = 0; i < shape.places(); ++i) pattern_[i] = 0;
    for (int& change : changes_) change = 0;
    for (int k = 0; k < count_; ++k) {
      bits_[k] = bits[k];
      const int own = 1 << (count_ - 1 - k), lanes = shape.lane_value(bits[k]);
      for (int m = 0; m < L::bits; ++m) changes_[m] |= lanes >> m & 1 ? own : 0;
      if (bits[k] >= kTileWires) continue;
      for (int i = 0; i < shape.places(); ++i) pattern_[i] |= i >> bits[k] & 1 ? own : 0;
    }
    for (int b = 0; b < 1 << count_; ++b) factor_[b] = given.number(b, b);
    exchange(factor_);
    if (adjoint) {
      for (int b = 0; b < 1 << count_; ++b) sum_[b] = C{};
    }
  }

  template <typename From, typename To>
  void forward(const From& psi, const To& to, int places, int still) const {
    const int rest = still_pattern(still);
    for (int i = 0; i < places; ++i) to.put(i, times(held(factor_[pattern_[i] | rest]), psi.get(i)));
  }

  // Undoes the phases.
  template <typename From, typename To>
  void backward(const From& psi, const From& lambda, const To& to, const To& lambda_to, int places,
                int still) {
    const int rest = still_pattern(still);
    for (int i = 0; i < places; ++i) {
      const int b = pattern_[i] | rest;
      const C d = held(factor_[b]), x = psi.get(i), k = lambda.get(i);
      sum_[b].re += x.re * k.im;
      sum_[b].re -= x.im * k.re;
      to.put(i, conj_times(d, x));
      lambda_to.put(i, conj_times(d, k));
    }
  }

  void add_sums(const Phases& part) {
    for (int b = 0; b < 1 << count_; ++b) add(sum_[b], part.sum_[b]);
  }

  // dd = i w d changes the loss by w times the sum; so does the cotangent i d sum.
  void settle() {
    exchange(sum_);
    for (int b = 0; b < 1 << count_; ++b) {
      const C d = given_.number(b, b);
      given_.add_to(b, b, {-d.im * sum_[b].re, d.re * sum_[b].re});
    }
  }

 private:
  int still_pattern(int still) const {
    int found = 0;
    for (int k = 0; k < count_; ++k) {
      if (bits_[k] >= kTileWires) found |= (still >> bits_[k] & 1) << (count_ - 1 - k);
    }
    return found;
  }

  // Numbers of bits b change places with those of the bits that b has in a lane.
  void exchange(C* numbers) const {
    for (int m = 0; m < L::bits; ++m) {
      const int change = changes_[m];
      if (!change) continue;
      const auto odd = L::odd(1 << m);
      for (int b = 0; b < 1 << count_; ++b) {
        if ((b ^ change) < b) continue;
        const C x = numbers[b], z = numbers[b ^ change];
        numbers[b] = select<T>(odd, z, x);
        numbers[b ^ change] = select<T>(odd, x, z);
      }
    }
  }

  Numbered<T> given_;
  int count_;
  int bits_[kMostWires];
  int changes_[L::bits];  // for each bit of a lane, the bits that are the other way round
  int pattern_[kTilePlaces];
  C factor_[1 << kMostWires], sum_[1 << kMostWires];
};

}  // namespace qrnn
