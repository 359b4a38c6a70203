// Gates on a group of sequences, and their adjoints.
//
// A state is rows of registers: amplitude i of a sequence lies in row i >> a, in one of the 2^a
// lanes that the sequence owns. A CNOT moves nothing: it changes which places hold which amplitude
// (see Labels). A gate on k wires has the form
//     y(b) = sum_d M[b][b ^ d] x(b ^ d),
// b the bits of its wires; so amplitudes come from other rows, from other lanes, or from both.
#pragma once

#include <utility>

#include "lanes.h"

namespace qrnn {

enum Kind { kOne = 0, kControlledNot = 1, kDiagonal = 2, kTwo = 3 };

struct Gate {
  int kind;
  int wires[2];
  int64_t offset;  // of its numbers
  bool varies;     // whether these change from step to step

  int count() const { return kind == kOne ? 1 : 2; }
};

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

  // The index of the amplitude at a place.
  int64_t index(int64_t place) const {
    int64_t found = 0;
    for (int w = 0; w < wires_; ++w) found = 2 * found + parity(place & value_[w]);
    return found;
  }

 private:
  int wires_;
  int64_t value_[64], flip_[64];
};

template <typename T>
class Gates {
 public:
  using L = Lanes<T>;
  using Vec = typename L::Vec;
  using Index = typename L::Index;
  using C = Complex<T>;

  explicit Gates(Layout layout)
      : labels(layout.wires),
        layout_(layout),
        rows_(layout.rows()),
        spare_(block<C>(layout.rows())) {
    for (int v = 0; v < L::count; ++v) {
      for (int l = 0; l < L::count; ++l) odd_[v][l] = parity(l & v) ? -1 : 0;
    }
  }

  Labels labels;

  // psi <- U psi
  void forward(const Gate& gate, const Vec* numbers, Block<C>& psi) {
    if (gate.kind == kControlledNot) return labels.controlled_not(gate.wires[0], gate.wires[1]);
    Form form = form_of(gate);
    coefficients(gate, form, numbers, false);
    if (gate.kind == kOne && form.row_flip[1]) {
      return form.lane_flip[1] ? one<true>(form, psi.get()) : one<false>(form, psi.get());
    }
    general(form, psi);
  }

  // psi <- U^+ psi, sums += dL/dU, lambda <- U^+ lambda
  void backward(const Gate& gate, const Vec* numbers, Vec* sums, Block<C>& psi, Block<C>& lambda) {
    if (gate.kind == kControlledNot) return labels.controlled_not(gate.wires[0], gate.wires[1]);
    Form form = form_of(gate);
    coefficients(gate, form, numbers, true);
    for (auto& row : sum_) {
      for (auto& sum : row) sum = C{};
    }
    if (gate.kind == kOne && form.row_flip[1]) {
      form.lane_flip[1] ? one_back<true>(form, psi.get(), lambda.get())
                        : one_back<false>(form, psi.get(), lambda.get());
    } else {
      general(form, psi);
      gather(form, psi.get(), lambda.get());
      general(form, lambda);
    }
    scatter(gate, form, sums);
  }

 private:
  // Where a gate's amplitudes are. The bits b at row r and lane l are those of r xor those of l.
  struct Form {
    int wires, patterns, count;  // k, 2^k, differences d
    int64_t row_value[2];
    Index lane_value[2];  // -1 in lanes where the bit is 1
    bool lanes_tell;
    int64_t row_flip[4];  // for every d
    int lane_flip[4];
    bool in_place;

    int row_pattern(int64_t row) const {
      int found = 0;
      for (int k = 0; k < wires; ++k) found = 2 * found + parity(row & row_value[k]);
      return found;
    }
  };

  Form form_of(const Gate& gate) const {
    Form form{};
    const int a = layout_.amplitude_bits, low = layout_.low();
    form.wires = gate.count();
    form.patterns = 1 << form.wires;
    form.count = gate.kind == kDiagonal ? 1 : form.patterns;
    for (int k = 0; k < form.wires; ++k) {
      const int64_t value = labels.value(gate.wires[k]), flip = labels.flip(gate.wires[k]);
      form.row_value[k] = value >> a;
      form.lane_value[k] = odd_[value & low];
      form.lanes_tell = form.lanes_tell || (value & low);
      for (int d = 0; d < form.count; ++d) {
        if (!(d >> (form.wires - 1 - k) & 1)) continue;
        form.row_flip[d] ^= flip >> a;
        form.lane_flip[d] ^= static_cast<int>(flip & low);
      }
    }
    form.in_place = true;
    for (int d = 0; d < form.count; ++d) form.in_place = form.in_place && !form.row_flip[d];
    return form;
  }

  // Where M[b][c] stands among the numbers.
  static int entry(const Gate& gate, int b, int c) {
    return gate.kind == kDiagonal ? 2 * b : 2 * (b * (1 << gate.count()) + c);
  }

  // value(b) in every lane, b the bits there in rows of pattern q.
  template <typename F>
  static Vec chosen(const Form& form, int q, F&& value) {
    if (!form.lanes_tell) return value(q);
    const Index first = form.lane_value[0], second = form.lane_value[1];
    if (form.wires == 1) return first ? value(q ^ 1) : value(q);
    const Vec zero = second ? value(q ^ 1) : value(q), one = second ? value(q ^ 3) : value(q ^ 2);
    return first ? one : zero;
  }

  // x in the lanes where the bits are b in rows of pattern q, elsewhere 0.
  static Vec where(const Form& form, int q, int b, Vec x) {
    const Vec nothing{};
    for (int k = 0; k < form.wires; ++k) {
      const bool flipped = (q ^ b) >> (form.wires - 1 - k) & 1;
      x = flipped ? (form.lane_value[k] ? x : nothing) : (form.lane_value[k] ? nothing : x);
    }
    return x;
  }

  // factor_[q][d]: M[b][b ^ d] or its adjoint, in every lane, for rows of pattern q.
  void coefficients(const Gate& gate, const Form& form, const Vec* numbers, bool adjoint) {
    for (int q = 0; q < form.patterns; ++q) {
      for (int d = 0; d < form.count; ++d) {
        auto at = [&](int b) { return adjoint ? entry(gate, b ^ d, b) : entry(gate, b, b ^ d); };
        const Vec im = chosen(form, q, [&](int b) { return numbers[at(b) + 1]; });
        factor_[q][d].re = chosen(form, q, [&](int b) { return numbers[at(b)]; });
        factor_[q][d].im = adjoint ? -im : im;
      }
    }
  }

  // sums[b][b ^ d] += sum_[q][d], lane by lane.
  void scatter(const Gate& gate, const Form& form, Vec* sums) const {
    for (int q = 0; q < form.patterns; ++q) {
      for (int d = 0; d < form.count; ++d) {
        for (int b = 0; b < form.patterns; ++b) {
          if (!form.lanes_tell && b != q) continue;
          const int at = entry(gate, b, b ^ d);
          sums[at] += where(form, q, b, sum_[q][d].re);
          sums[at + 1] += where(form, q, b, sum_[q][d].im);
        }
      }
    }
  }

  static C swapped(C x, int mask) {
    return mask ? C{L::swapped(x.re, mask), L::swapped(x.im, mask)} : x;
  }

  void general(const Form& form, Block<C>& state) {
    C* out = form.in_place ? state.get() : spare_.get();
    const C* in = state.get();
    for (int64_t r = 0; r < rows_; ++r) {
      const C* factor = factor_[form.row_pattern(r)];
      C sum = times(factor[0], in[r]);
      for (int d = 1; d < form.count; ++d) {
        add(sum, times(factor[d], swapped(in[r ^ form.row_flip[d]], form.lane_flip[d])));
      }
      out[r] = sum;  // in place, no other row is read
    }
    if (!form.in_place) std::swap(state, spare_);
  }

  // sum_[q][d] += lambda(b) conj(psi(b ^ d))
  void gather(const Form& form, const C* psi, const C* lambda) {
    for (int64_t r = 0; r < rows_; ++r) {
      C* sum = sum_[form.row_pattern(r)];
      for (int d = 0; d < form.count; ++d) {
        add(sum[d], conj_times(swapped(psi[r ^ form.row_flip[d]], form.lane_flip[d]), lambda[r]));
      }
    }
  }

  // Pairs of rows that a one-wire gate mixes: visit(x, z) with row x of pattern q.
  template <typename F>
  QRNN_INLINE void pairs(const Form& form, int q, F&& visit) const {
    const int64_t flip = form.row_flip[1], value = form.row_value[0];
    const int64_t pivot = int64_t{1} << (63 - __builtin_clzll(flip));
    const bool rows_tell = parity(flip & value);
    for (int64_t start = 0; start < rows_; start += 2 * pivot) {
      for (int64_t r = start; r < start + pivot; ++r) {
        const bool other = parity(r & value) != q;
        if (other && !rows_tell) continue;
        visit(other ? r ^ flip : r, other ? r : r ^ flip);
      }
    }
  }

  // Where the lanes alone tell 0 from 1, rows of either pattern have coefficients of their own.
  template <typename F>
  QRNN_INLINE void each_pattern(const Form& form, F&& run) const {
    run(0);
    if (!parity(form.row_flip[1] & form.row_value[0]) && form.row_value[0]) run(1);
  }

  // The matrix of a one-wire gate for a row x of pattern q and its partner z.
  struct Mixed {
    C xx, xz, zx, zz;
    int mask;

    template <bool lanes>
    QRNN_INLINE C other(C x) const {
      return lanes ? swapped(x, mask) : x;
    }

    template <bool lanes>
    QRNN_INLINE void apply(C& x, C& z) const {
      C y = times(xx, x), u = times(zz, z);
      add(y, times(xz, other<lanes>(z)));
      add(u, times(zx, other<lanes>(x)));
      x = y;
      z = u;
    }
  };

  Mixed mixed(const Form& form, int q) const {
    const int p = partner(form, q);
    return {factor_[q][0], factor_[q][1], factor_[p][1], factor_[p][0], form.lane_flip[1]};
  }

  template <bool lanes>
  void one(const Form& form, C* psi) const {
    each_pattern(form, [&](int q) QRNN_INLINE {
      const Mixed m = mixed(form, q);
      pairs(form, q, [&](int64_t i, int64_t j) QRNN_INLINE {
        C x = psi[i], z = psi[j];
        m.template apply<lanes>(x, z);
        psi[i] = x;
        psi[j] = z;
      });
    });
  }

  template <bool lanes>
  void one_back(const Form& form, C* psi, C* lambda) {
    each_pattern(form, [&](int q) QRNN_INLINE {
      const Mixed m = mixed(form, q);
      C xx{}, xz{}, zx{}, zz{};
      pairs(form, q, [&](int64_t i, int64_t j) QRNN_INLINE {
        C x = psi[i], z = psi[j], k = lambda[i], l = lambda[j];
        m.template apply<lanes>(x, z);
        psi[i] = x;
        psi[j] = z;
        add(xx, conj_times(x, k));
        add(zz, conj_times(z, l));
        add(xz, conj_times(m.template other<lanes>(z), k));
        add(zx, conj_times(m.template other<lanes>(x), l));
        m.template apply<lanes>(k, l);
        lambda[i] = k;
        lambda[j] = l;
      });
      const int p = partner(form, q);
      add(sum_[q][0], xx);
      add(sum_[q][1], xz);
      add(sum_[p][0], zz);
      add(sum_[p][1], zx);
    });
  }

  // The pattern of the other row of a pair.
  static int partner(const Form& form, int pattern) {
    return pattern ^ parity(form.row_flip[1] & form.row_value[0]);
  }

  Layout layout_;
  int64_t rows_;
  Block<C> spare_;
  Index odd_[L::count];  // -1 in lanes with an odd number of the bits of v
  C factor_[4][4], sum_[4][4];
};

}  // namespace qrnn
