// What a call is given: a step, and the arrays of all sequences.
#pragma once

#include <cstdint>

namespace qrnn_cuda {

enum Kind {
  kOne = 0,
  kControlledNot = 1,
  kDiagonal = 2,
  kTwo = 3,
  kRead = 4,
  kReal = 5,
  kTurn = 6,
};

constexpr int kDiagonalWires = 5;  // of a diagonal

// A gate, or the read-out of a Pauli word; -1 where there is no wire. As it lies in memory.
//
// Wires are numbered as a team has them: first those it holds, from the highest bit of an
// amplitude's index down; after them the others, from the lowest bit up.
struct alignas(16) Op {
  int32_t kind;
  int32_t high, low;      // wires that must be at bit 1 and bit 0 of the registers' numbers first
  int32_t place;          // where its numbers start: of the fixed ones, or ~place of the varying
                          // ones; of a word, which one of the reads
  int32_t signs, power;   // of a word: i^power times X on `low` and Z on the wires of `signs`; wire
                          // w of m that are held is bit m - 1 - w, any other wire w is bit w
  int32_t count;          // of the other wires: a control; those of a diagonal
  int32_t wires[kDiagonalWires];
};

// A wide state is worked on in tiles: the amplitudes that differ in some of its wires only. A team
// holds one tile after the other; a narrow state is a single one.
template <typename T>
struct Task {
  int wires, tile;        // of a state, and of a tile
  uint32_t tile_bits;     // the bits of an amplitude's index that differ within a tile
  int parts;              // of a sequence: as many teams, each with its share of the tiles
  int op_count, word_count;
  const Op* ops;
  int64_t batch, steps, fixed_count, varying_count;
  bool fixed_is_shared, start_is_shared;  // by all sequences
  const T *fixed, *varying;               // (1 or B, F), (B, T, V)
  const T* from[2];                       // psi (1 or B, 2^n, 2), lambda (B, 2^n, 2)
  T* to[2];                               // where they end; null if not wanted
  const T* reads_slope;                   // (B, T, M)
  T* reads;                               // (rows, T, M); rows: see rows.h
  T *fixed_slope, *varying_slope;         // (rows, F), (rows, T, V)

  // Of wide states only: a launch is a pass at one step, so rows have no axis for time.
  bool wide;
  int64_t step;
  bool scales, looks_first, looks_last;   // sets the norm back; measures it before, after the gates
  T* norm_rows;                           // (rows,)
  const T* norms;                         // (B, 2): the first one, and the one now
};

}  // namespace qrnn_cuda
