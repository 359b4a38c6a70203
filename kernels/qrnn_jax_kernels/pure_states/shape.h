// The tiles of a pass: places that the flips of a few wires reach from one another.
#pragma once

#include "../shared/lanes.h"
#include "labels.h"

namespace qrnn {

// Of the tiles that gates share: they fill the first cache, or the second one where each pass over
// the state has to come from memory.
constexpr int kNarrowWires = 5, kTileWires = 10;
constexpr int kTilePlaces = 1 << kTileWires;
constexpr int64_t kWide = 1 << 14;  // rows of a state: beyond the caches of a core

// Wires whose flips reach different rows span the tiles: bit j of a place's number is the bit of
// wire j. Other wires are still: equal at all places of a tile.
class Shape {
 public:
  explicit Shape(Layout layout)
      : layout_(layout), most_(layout.rows() >= kWide ? kTileWires : kNarrowWires) {}

  void clear() {
    spanning_ = still_ = 0;
    pivots_ = 0;
  }

  int places() const { return 1 << spanning_; }
  int64_t tiles() const { return layout_.rows() >> spanning_; }

  // The wire's bit among those of a place; -1 if the wire is not there, or still.
  int spanning(int wire) const { return find(wires_, spanning_, wire); }

  // Makes a wire span the tiles, unless its flip reaches no more rows than others do.
  bool span(int wire, const Labels& labels) {
    if (spanning(wire) >= 0) return true;
    if (spanning_ == most_ || find(still_wires_, still_, wire) >= 0) return false;
    const int64_t flip = labels.flip(wire) >> layout_.amplitude_bits;
    int64_t rest = flip;
    for (int j = 0; j < spanning_; ++j) {
      if (rest & pivot_[j]) rest ^= reduced_[j];
    }
    if (!rest) return false;
    const int j = spanning_++;
    wires_[j] = wire;
    reduced_[j] = rest;
    pivot_[j] = int64_t{1} << (63 - __builtin_clzll(rest));
    pivots_ |= pivot_[j];
    values_[j] = labels.value(wire);
    for (int i = 0; i < 1 << j; ++i) {
      rows_[i + (1 << j)] = rows_[i] ^ flip;
      lanes_[i + (1 << j)] = lanes_[i] ^ static_cast<int>(labels.flip(wire) & layout_.low());
    }
    return true;
  }

  // The same, or makes it still. The wire's bit, still ones after those of places; -1 without room.
  int any(int wire, const Labels& labels) {
    if (span(wire, labels)) return spanning(wire);
    int found = find(still_wires_, still_, wire);
    if (found < 0 && still_ < kTileWires) {
      found = still_++;
      still_wires_[found] = wire;
      still_values_[found] = labels.value(wire);
    }
    return found < 0 ? -1 : kTileWires + found;
  }

  // The bits of a lane whose parity is 1 where a bit is the other way round.
  int lane_value(int bit) const {
    const int64_t value = bit < kTileWires ? values_[bit] : still_values_[bit - kTileWires];
    return static_cast<int>(value & layout_.low());
  }

  // visit(first row, number of the place there, still bits as of `any`, first row of the next tile),
  // for tiles `from` to `to`.
  template <typename F>
  inline void each(int64_t from, int64_t to, F&& visit) const {
    const int a = layout_.amplitude_bits;
    int64_t row = spread(from);
    for (int64_t tile = from; tile < to; ++tile) {
      int number = 0, still = 0;
      for (int j = 0; j < spanning_; ++j) number |= parity(row & values_[j] >> a) << j;
      for (int j = 0; j < still_; ++j) {
        still |= parity(row & still_values_[j] >> a) << (kTileWires + j);
      }
      const int64_t next = ((row | pivots_) + 1) & ~pivots_;
      visit(row, number, still, next);
      row = next;
    }
  }

  // Where a place is, seen from a row whose own place has the given number: by flips of rows, lanes.
  int64_t row(int place, int number) const { return rows_[place ^ number]; }
  int lanes(int place, int number) const { return lanes_[place ^ number]; }

  // Asks for places of the tile at a row ahead of their use: too many streams for the hardware to
  // foresee.
  template <typename C>
  void fetch(const C* state, int64_t row, int from, int to) const {
    for (int i = from; i < to; ++i) {
      const C* at = state + (row ^ rows_[i]);  // beyond the last tile: no address is read
      __builtin_prefetch(&at->re, 1, 2);
      if (sizeof(C) > kLine) __builtin_prefetch(&at->im, 1, 2);
    }
  }

  bool mixes_lanes() const {
    int all = 0;
    for (int i = 0; i < places(); ++i) all |= lanes_[i];
    return all;
  }

 private:
  static int find(const int* wires, int count, int wire) {
    for (int j = 0; j < count; ++j) {
      if (wires[j] == wire) return j;
    }
    return -1;
  }

  // The n-th row without any pivot bit.
  int64_t spread(int64_t n) const {
    int64_t found = 0;
    for (int64_t bit = 1; n; bit <<= 1) {
      if (pivots_ & bit) continue;
      if (n & 1) found |= bit;
      n >>= 1;
    }
    return found;
  }

  Layout layout_;
  int most_, spanning_ = 0, still_ = 0;
  int64_t pivots_ = 0;
  int wires_[kTileWires], still_wires_[kTileWires];
  int64_t values_[kTileWires], still_values_[kTileWires], reduced_[kTileWires], pivot_[kTileWires];
  int64_t rows_[kTilePlaces] = {};
  int lanes_[kTilePlaces] = {};
};

}  // namespace qrnn
