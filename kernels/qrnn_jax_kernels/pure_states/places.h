// The places of a tile: in the state, or copied to the first cache.
#pragma once

#include "../shared/lanes.h"
#include "shape.h"

namespace qrnn {

// Places of a tile in a cache.
template <typename T>
struct InCache {
  using C = Complex<T>;
  C* tile;

  QRNN_INLINE C get(int i) const { return held(tile[i]); }
  QRNN_INLINE void put(int i, C x) const { keep(tile[i], x); }
};

// The same places in the state: the first of a tile's rows has the place `number`.
template <typename T, bool mixes>
struct InState {
  using C = Complex<T>;
  C* state;
  const Shape& shape;
  int64_t row;
  int number;

  QRNN_INLINE C get(int i) const { return moved(held(state[row ^ shape.row(i, number)]), i); }
  QRNN_INLINE void put(int i, C x) const { keep(state[row ^ shape.row(i, number)], moved(x, i)); }

 private:
  QRNN_INLINE C moved(C x, int i) const {
    if (!mixes) return x;
    const int lanes = shape.lanes(i, number);
    return {Lanes<T>::swapped(x.re, lanes), Lanes<T>::swapped(x.im, lanes)};
  }
};

}  // namespace qrnn
