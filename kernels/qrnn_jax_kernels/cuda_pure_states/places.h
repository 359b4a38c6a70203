// Which wire is where. A place is the number of a register followed by that of a thread, as bits;
// before them, the number of a tile.
#pragma once

#include "team.h"

namespace qrnn_cuda {

// The bits of a value, one after the other, at the bits of a mask.
QRNN_DEVICE uint32_t deposit(uint32_t value, uint32_t mask) {
  uint32_t found = 0;
  for (; value; value >>= 1, mask &= mask - 1) {
    if (value & 1) found |= mask & (~mask + 1);
  }
  return found;
}

// Four bits for every wire: the bit of a place that tells the wire's bit. At most 16 wires.
class Places {
 public:
  // As in memory: the place is the index of the amplitude, wire 0 its highest bit.
  QRNN_DEVICE explicit Places(int wires) : wires_(wires), bits_(0) {
    for (int w = 0; w < wires; ++w) bits_ |= uint64_t(wires - 1 - w) << (4 * w);
  }

  QRNN_DEVICE int wires() const { return wires_; }

  // Wires that are not held tell tiles apart.
  QRNN_DEVICE int of(int wire) const {
    return wire < wires_ ? static_cast<int>(bits_ >> (4 * wire) & 15) : wire;
  }

  // The wire goes to `bit`, and the one that was there to where the wire was.
  QRNN_DEVICE void swap(int wire, int bit) {
    const int from = of(wire);
    for (int w = 0; w < wires_; ++w) {
      if (of(w) == bit) bits_ ^= uint64_t(from ^ bit) << (4 * w);
    }
    bits_ ^= uint64_t(from ^ bit) << (4 * wire);
  }

  // The index of the amplitude at a place of a tile, among those of the tile.
  QRNN_DEVICE int index(int place) const {
    int found = 0;
    for (int w = 0; w < wires_; ++w) found = 2 * found + (place >> of(w) & 1);
    return found;
  }

  // Bits of such an index as bits of its place; those that tell tiles apart stay.
  QRNN_DEVICE int mask(int bits) const {
    int found = bits >> wires_ << wires_;
    for (int w = 0; w < wires_; ++w) found |= (bits >> (wires_ - 1 - w) & 1) << of(w);
    return found;
  }

 private:
  int wires_;
  uint64_t bits_;
};

}  // namespace qrnn_cuda
