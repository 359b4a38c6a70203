// What a call is given: a step, and the arrays of all sequences.
#pragma once

#include <cstdint>

namespace qrnn_cuda {

enum Kind { kOne = 0, kControlledNot = 1, kDiagonal = 2, kTwo = 3, kRead = 4 };

// A gate, or the read-out of a Pauli word; -1 where there is no wire. As it lies in memory.
struct alignas(16) Op {
  int32_t kind;
  int32_t high, low;      // wires that must be at bit 1 and bit 0 of the registers' numbers first
  int32_t first, second;  // other wires: a control; the two of a diagonal
  int32_t place;          // where its numbers start: of the fixed ones, or ~place of the varying
                          // ones; of a word, which one of the reads
  int32_t signs, power;   // of a word: i^power times X on `low` and Z on the wires of `signs`, bits
                          // of an amplitude's index
};

template <typename T>
struct Task {
  int wires, op_count, word_count;
  const Op* ops;
  int64_t batch, steps, fixed_count, varying_count;
  bool fixed_is_shared, start_is_shared;  // by all sequences
  const T *fixed, *varying, *start;       // (1 or B, F), (B, T, V), (1 or B, 2^n, 2)
  const T *reads_slope, *last_slope;      // (B, T, M), (B, 2^n, 2): the cotangents
  T *reads, *last;                        // (B, warps, T, M), (B, 2^n, 2)
  T *fixed_slope, *varying_slope;         // (B, warps, F), (B, warps, T, V)
  T* start_slope;                         // (B, 2^n, 2)
};

}  // namespace qrnn_cuda
