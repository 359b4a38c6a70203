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
  using Vec = typename L::Vec;
  using C = Complex<T>;

  // Bits as `Shape::any` tells them, of the wires in order.
  void set(const Numbered<T>& given, const int* bits, const Shape& shape, bool adjoint) {
    given_ = given;
    count_ = given.gate->count;
    int owns[kTileWires] = {};  // of every bit of a place
    for (int& change : changes_) change = 0;
    for (int k = 0; k < count_; ++k) {
      bits_[k] = bits[k];
      const int own = 1 << (count_ - 1 - k), lanes = shape.lane_value(bits[k]);
      for (int m = 0; m < L::bits; ++m) changes_[m] |= lanes >> m & 1 ? own : 0;
      if (bits[k] < kTileWires) owns[bits[k]] = own;
    }
    pattern_[0] = 0;
    for (int j = 0, half = 1; half < shape.places(); ++j, half *= 2) {
      for (int i = 0; i < half; ++i) pattern_[i + half] = pattern_[i] | owns[j];
    }
    for (int b = 0; b < 1 << count_; ++b) factor_[b] = given.number(b, b);
    exchange(factor_);
    if (adjoint) {
      for (int b = 0; b < 1 << count_; ++b) sum_[b] = Vec{};
    }
  }

  // Psi and lambda are stored without factors `missing`, from here on with all.
  void take(Vec& missing) {
    weight_ = missing * missing;
    for (int b = 0; b < 1 << count_; ++b) {
      factor_[b].re *= missing;
      factor_[b].im *= missing;
    }
    missing = Vec{} + 1;
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
      sum_[b] += x.re * k.im;
      sum_[b] -= x.im * k.re;
      to.put(i, conj_times(d, x));
      lambda_to.put(i, conj_times(d, k));
    }
  }

  void add_sums(const Phases& part) {
    for (int b = 0; b < 1 << count_; ++b) sum_[b] += part.sum_[b];
  }

  // dd = i w d changes the loss by w times the sum; so does the cotangent i d sum.
  void settle() {
    exchange(sum_);
    for (int b = 0; b < 1 << count_; ++b) {
      const C d = given_.number(b, b);
      const Vec sum = sum_[b] * weight_;
      given_.add_to(b, b, {-d.im * sum, d.re * sum});
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
  template <typename N>
  void exchange(N* numbers) const {
    for (int m = 0; m < L::bits; ++m) {
      const int change = changes_[m];
      if (!change) continue;
      const auto odd = L::odd(1 << m);
      for (int b = 0; b < 1 << count_; ++b) {
        if ((b ^ change) < b) continue;
        const N x = numbers[b], z = numbers[b ^ change];
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
  C factor_[1 << kMostWires];
  Vec sum_[1 << kMostWires], weight_;
};

}  // namespace qrnn
