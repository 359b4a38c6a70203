// Where the amplitudes of a state lie.
#pragma once

#include <cstdint>

namespace qrnn {

// How the amplitudes of `wires` qubits lie: 2^amplitude_bits lanes for each sequence.
struct Layout {
  int wires;
  int amplitude_bits;
  int64_t rows() const { return int64_t{1} << (wires - amplitude_bits); }
  int low() const { return (1 << amplitude_bits) - 1; }
};

inline int parity(int64_t bits) { return __builtin_parityll(bits); }

// Which amplitude lies at which place: every bit of the amplitude's index is the parity of some bits
// of the place. CNOTs change the labels and move nothing.
class Labels {
 public:
  explicit Labels(int wires) : wires_(wires) {
    for (int w = 0; w < wires; ++w) value_[w] = flip_[w] = int64_t{1} << (wires - 1 - w);
  }

  void controlled_not(int control, int target) {
    value_[target] ^= value_[control];
    flip_[control] ^= flip_[target];
  }

  // The bits of a place whose parity is the bit of this wire.
  int64_t value(int wire) const { return value_[wire]; }

  // The bits of a place to flip, so that the bit of this wire flips and no other.
  int64_t flip(int wire) const { return flip_[wire]; }

  // The index of the amplitude at a place; that of p ^ q is that of p xor that of q.
  int64_t index(int64_t place) const {
    int64_t found = 0;
    for (int w = 0; w < wires_; ++w) found = 2 * found + parity(place & value_[w]);
    return found;
  }

 private:
  int wires_;
  int64_t value_[64], flip_[64];
};

}  // namespace qrnn
