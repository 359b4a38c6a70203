// Gates on a group of sequences, and their adjoints.
//
// A state is rows of registers: amplitude i of a sequence lies in row i >> a, in one of the 2^a
// lanes that the sequence owns. A gate on k wires has the form
//     y(b) = sum_d M[b][b ^ d] x(b ^ d),
// b the bits of its wires; so amplitudes come from other rows, from other lanes, or from both.
#pragma once

#include <utility>
#include <vector>

#include "lanes.h"

namespace qrnn {

enum Kind { kOne = 0, kControlledNot = 1, kDiagonal = 2, kTwo = 3 };

struct Gate {
  int kind;
  int wires[2];
  int64_t offset;  // of its numbers
  bool varies;     // whether these change from step to step

  int count() const { return kind == kOne ? 1 : 2; }
  int size() const { return kind == kOne ? 8 : kind == kDiagonal ? 8 : kind == kTwo ? 32 : 0; }
};

// How the amplitudes of `wires` qubits lie: 2^amplitude_bits lanes for each sequence.
struct Layout {
  int wires;
  int amplitude_bits;
  int64_t rows() const { return int64_t{1} << (wires - amplitude_bits); }
};

template <typename T>
class Gates {
 public:
  using L = Lanes<T>;
  using Vec = typename L::Vec;
  using C = Complex<T>;

  explicit Gates(Layout layout)
      : layout_(layout), rows_(layout.rows()), spare_(block<C>(layout.rows())) {}

  // psi <- U psi
  void forward(const Gate& gate, const Vec* numbers, Block<C>& psi) {
    if (gate.kind == kControlledNot) return flip(gate, psi.get());
    if (is_row(gate)) return one(gate, numbers, psi.get());
    Form form = form_of(gate);
    coefficients(gate, form, numbers, false);
    general(form, psi);
  }

  // psi <- U^+ psi, sums += dL/dU, lambda <- U^+ lambda
  void backward(const Gate& gate, const Vec* numbers, Vec* sums, Block<C>& psi, Block<C>& lambda) {
    if (gate.kind == kControlledNot) {
      flip(gate, psi.get());
      return flip(gate, lambda.get());
    }
    if (is_row(gate)) return one_back(gate, numbers, sums, psi.get(), lambda.get());
    Form form = form_of(gate);
    coefficients(gate, form, numbers, true);
    general(form, psi);
    gather(gate, form, psi.get(), lambda.get(), sums);
    general(form, lambda);
  }

 private:
  struct Form {
    int count;           // of differences d
    int patterns;        // 2^k
    int64_t row_bit[2];  // of each wire, 0 where it is in the lanes
    int lane_bit[2];     // the same the other way round
    int wires;
    int64_t row_mask[4];
    int lane_mask[4];
    bool in_place;
  };

  bool is_row(const Gate& gate) const {
    return gate.kind == kOne && place(gate.wires[0]) >= layout_.amplitude_bits;
  }

  int place(int wire) const { return layout_.wires - 1 - wire; }

  Form form_of(const Gate& gate) const {
    Form form{};
    form.wires = gate.count();
    form.patterns = 1 << form.wires;
    form.count = gate.kind == kDiagonal ? 1 : form.patterns;
    for (int k = 0; k < form.wires; ++k) {
      int bit = place(gate.wires[k]), a = layout_.amplitude_bits;
      form.row_bit[k] = bit >= a ? int64_t{1} << (bit - a) : 0;
      form.lane_bit[k] = bit < a ? 1 << bit : 0;
    }
    form.in_place = true;
    for (int d = 0; d < form.count; ++d) {
      for (int k = 0; k < form.wires; ++k) {
        if (!(d >> (form.wires - 1 - k) & 1)) continue;
        form.row_mask[d] |= form.row_bit[k];
        form.lane_mask[d] |= form.lane_bit[k];
      }
      form.in_place = form.in_place && form.row_mask[d] == 0;
    }
    return form;
  }

  // The bits of the gate's wires that a row fixes.
  static int pattern_of_row(const Form& form, int64_t row) {
    int found = 0;
    for (int k = 0; k < form.wires; ++k) found = 2 * found + ((row & form.row_bit[k]) != 0);
    return found;
  }

  static int pattern_of_lane(const Form& form, int lane) {
    int found = 0;
    for (int k = 0; k < form.wires; ++k) found = 2 * found + ((lane & form.lane_bit[k]) != 0);
    return found;
  }

  // Where M[b][c] stands among the numbers.
  static int entry(const Gate& gate, int b, int c) {
    return gate.kind == kDiagonal ? 2 * b : 2 * (b * (1 << gate.count()) + c);
  }

  void coefficients(const Gate& gate, const Form& form, const Vec* numbers, bool adjoint) {
    for (int q = 0; q < form.patterns; ++q) {
      for (int d = 0; d < form.count; ++d) {
        C& c = factor_[q][d];
        for (int l = 0; l < L::count; ++l) {
          int b = q | pattern_of_lane(form, l);
          int at = adjoint ? entry(gate, b ^ d, b) : entry(gate, b, b ^ d);
          c.re[l] = numbers[at][l];
          c.im[l] = adjoint ? -numbers[at + 1][l] : numbers[at + 1][l];
        }
      }
    }
  }

  void general(const Form& form, Block<C>& state) {
    C* out = form.in_place ? state.get() : spare_.get();
    const C* in = state.get();
    for (int64_t r = 0; r < rows_; ++r) {
      const C* factor = factor_[pattern_of_row(form, r)];
      C sum = times(factor[0], in[r]);
      for (int d = 1; d < form.count; ++d) {
        C x = in[r ^ form.row_mask[d]];
        x = {L::swapped(x.re, form.lane_mask[d]), L::swapped(x.im, form.lane_mask[d])};
        add(sum, times(factor[d], x));
      }
      out[r] = sum;  // in place, no other row is read
    }
    if (!form.in_place) std::swap(state, spare_);
  }

  // sums[b][c] += lambda(b) conj(psi(c))
  void gather(const Gate& gate, const Form& form, const C* psi, const C* lambda, Vec* sums) {
    C found[4][4] = {};
    for (int64_t r = 0; r < rows_; ++r) {
      C* here = found[pattern_of_row(form, r)];
      for (int d = 0; d < form.count; ++d) {
        C x = psi[r ^ form.row_mask[d]];
        x = {L::swapped(x.re, form.lane_mask[d]), L::swapped(x.im, form.lane_mask[d])};
        add(here[d], conj_times(x, lambda[r]));
      }
    }
    for (int q = 0; q < form.patterns; ++q) {
      for (int d = 0; d < form.count; ++d) {
        for (int l = 0; l < L::count; ++l) {
          int b = q | pattern_of_lane(form, l);
          sums[entry(gate, b, b ^ d)][l] += found[q][d].re[l];
          sums[entry(gate, b, b ^ d) + 1][l] += found[q][d].im[l];
        }
      }
    }
  }

  void one(const Gate& gate, const Vec* m, C* psi) const {
    C m00{m[0], m[1]}, m01{m[2], m[3]}, m10{m[4], m[5]}, m11{m[6], m[7]};
    int64_t stride = int64_t{1} << (place(gate.wires[0]) - layout_.amplitude_bits);
    for (int64_t start = 0; start < rows_; start += 2 * stride) {
      for (int64_t r = start; r < start + stride; ++r) {
        C x0 = psi[r], x1 = psi[r + stride];
        C y0 = times(m00, x0), y1 = times(m10, x0);
        add(y0, times(m01, x1));
        add(y1, times(m11, x1));
        psi[r] = y0;
        psi[r + stride] = y1;
      }
    }
  }

  void one_back(const Gate& gate, const Vec* m, Vec* sums, C* psi, C* lambda) const {
    C m00{m[0], m[1]}, m01{m[2], m[3]}, m10{m[4], m[5]}, m11{m[6], m[7]};
    C s00{}, s01{}, s10{}, s11{};
    int64_t stride = int64_t{1} << (place(gate.wires[0]) - layout_.amplitude_bits);
    for (int64_t start = 0; start < rows_; start += 2 * stride) {
      for (int64_t r = start; r < start + stride; ++r) {
        C y0 = psi[r], y1 = psi[r + stride], l0 = lambda[r], l1 = lambda[r + stride];
        C x0 = conj_times(m00, y0), x1 = conj_times(m01, y0);
        add(x0, conj_times(m10, y1));
        add(x1, conj_times(m11, y1));
        psi[r] = x0;
        psi[r + stride] = x1;
        add(s00, conj_times(x0, l0));
        add(s01, conj_times(x1, l0));
        add(s10, conj_times(x0, l1));
        add(s11, conj_times(x1, l1));
        C k0 = conj_times(m00, l0), k1 = conj_times(m01, l0);
        add(k0, conj_times(m10, l1));
        add(k1, conj_times(m11, l1));
        lambda[r] = k0;
        lambda[r + stride] = k1;
      }
    }
    const C found[4] = {s00, s01, s10, s11};
    for (int e = 0; e < 4; ++e) {
      sums[2 * e] += found[e].re;
      sums[2 * e + 1] += found[e].im;
    }
  }

  // X on the second wire where the first is 1.
  void flip(const Gate& gate, C* psi) const {
    int a = layout_.amplitude_bits, control = place(gate.wires[0]), target = place(gate.wires[1]);
    int64_t control_row = control >= a ? int64_t{1} << (control - a) : 0;
    int64_t target_row = target >= a ? int64_t{1} << (target - a) : 0;
    int mask = target < a ? 1 << target : 0;
    if (control_row) {
      for (int64_t r = 0; r < rows_; ++r) {
        if (!(r & control_row) || (r & target_row)) continue;
        if (target_row) {
          std::swap(psi[r], psi[r | target_row]);
        } else {
          psi[r] = {L::swapped(psi[r].re, mask), L::swapped(psi[r].im, mask)};
        }
      }
      return;
    }
    typename L::Index on;
    for (int l = 0; l < L::count; ++l) on[l] = l >> control & 1 ? -1 : 0;
    for (int64_t r = 0; r < rows_; ++r) {
      if (r & target_row) continue;
      C x = psi[r], y = target_row ? psi[r | target_row] : x;
      y = {L::swapped(y.re, mask), L::swapped(y.im, mask)};
      psi[r] = {on ? y.re : x.re, on ? y.im : x.im};
      if (target_row) psi[r | target_row] = {on ? x.re : y.re, on ? x.im : y.im};
    }
  }

  Layout layout_;
  int64_t rows_;
  Block<C> spare_;
  C factor_[4][4];
};

}  // namespace qrnn
