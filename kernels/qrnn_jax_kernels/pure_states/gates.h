// What a gate is, and any gate on one or two wires in a pass of its own.
//
// A state is rows of registers: amplitude i of a sequence lies in row i >> a, in one of the 2^a
// lanes that the sequence owns. A gate on k wires has the form
//     y(b) = sum_d M[b][b ^ d] x(b ^ d),
// b the bits of its wires; so amplitudes come from other rows, from other lanes, or from both. See
// pass.h for the gates that share a pass.
#pragma once

#include <utility>

#include "../shared/lanes.h"
#include "labels.h"

namespace qrnn {

enum Kind { kComplex = 0, kReal = 1, kDiagonal = 2, kControlledNot = 3, kTurn = 4 };

constexpr int kMostWires = 5;  // of a gate

struct Gate {
  int kind;
  int count;                // of its wires
  int wires[kMostWires];    // the most significant one first
  int64_t offset;           // of its numbers
  bool varies;              // whether these change from step to step

  bool real() const { return kind == kReal || kind == kTurn; }

  // Where M[b][c], or the phase of b, stands among the numbers; of a turn [[c, -s], [s, c]], c and s.
  int entry(int b, int c) const {
    if (kind == kTurn) return b != c;
    const int place = kind == kDiagonal ? b : (b << count) + c;
    return kind == kReal ? place : 2 * place;
  }

  bool negative(int b, int c) const { return kind == kTurn && b < c; }
};

// A gate with its numbers, and where their cotangents are summed.
template <typename T>
struct Numbered {
  using Vec = typename Lanes<T>::Vec;
  const Gate* gate;
  const Vec* numbers;
  Vec* sums;

  Complex<T> number(int b, int c) const {
    const Vec* at = numbers + gate->entry(b, c);
    return {gate->negative(b, c) ? -at[0] : at[0], gate->real() ? Vec{} : at[1]};
  }

  void add_to(int b, int c, Complex<T> cotangent) const {
    Vec* at = sums + gate->entry(b, c);
    at[0] += gate->negative(b, c) ? -cotangent.re : cotangent.re;
    if (!gate->real()) at[1] += cotangent.im;
  }
};

template <typename T>
class Gates {
 public:
  using L = Lanes<T>;
  using Vec = typename L::Vec;
  using Index = typename L::Index;
  using C = Complex<T>;

  explicit Gates(Layout layout)
      : layout_(layout), rows_(layout.rows()), spare_(block<C>(layout.rows())) {}

  // psi <- U psi
  void forward(const Numbered<T>& given, const Labels& labels, Block<C>& psi) {
    const Form form = form_of(*given.gate, labels);
    coefficients(given, form, false);
    if (!within_rows(form)) return apply(form, psi);
    given.gate->real() ? apply_lanes<false>(form, psi.get()) : apply_lanes<true>(form, psi.get());
  }

  // psi <- U^+ psi, sums += dL/dU, lambda <- U^+ lambda; both are stored without factors `missing`.
  void backward(const Numbered<T>& given, const Labels& labels, Block<C>& psi, Block<C>& lambda,
                Vec missing) {
    const Form form = form_of(*given.gate, labels);
    coefficients(given, form, true);
    for (auto& row : sum_) {
      for (auto& sum : row) sum = C{};
    }
    if (within_rows(form)) {
      given.gate->real() ? undo_lanes<false>(form, psi.get(), lambda.get())
                         : undo_lanes<true>(form, psi.get(), lambda.get());
    } else {
      apply(form, psi);
      gather(form, psi.get(), lambda.get());
      apply(form, lambda);
    }
    const Vec weight = missing * missing;
    for (auto& row : sum_) {
      for (auto& sum : row) sum = {sum.re * weight, sum.im * weight};
    }
    scatter(given, form);
  }

 private:
  // Where a gate's amplitudes are. The bits b at row r and lane l are those of r xor those of l.
  struct Form {
    int wires, patterns;  // k, 2^k
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

  Form form_of(const Gate& gate, const Labels& labels) const {
    Form form{};
    const int a = layout_.amplitude_bits, low = layout_.low();
    form.wires = gate.count;
    form.patterns = 1 << form.wires;
    for (int k = 0; k < form.wires; ++k) {
      const int64_t value = labels.value(gate.wires[k]), flip = labels.flip(gate.wires[k]);
      form.row_value[k] = value >> a;
      form.lane_value[k] = L::odd(value & low);
      form.lanes_tell = form.lanes_tell || (value & low);
      for (int d = 0; d < form.patterns; ++d) {
        if (!(d >> (form.wires - 1 - k) & 1)) continue;
        form.row_flip[d] ^= flip >> a;
        form.lane_flip[d] ^= static_cast<int>(flip & low);
      }
    }
    form.in_place = true;
    for (int d = 0; d < form.patterns; ++d) form.in_place = form.in_place && !form.row_flip[d];
    return form;
  }

  // value(b) in every lane, b the bits there in rows of pattern q.
  template <typename F>
  static C chosen(const Form& form, int q, F&& value) {
    if (!form.lanes_tell) return value(q);
    if (form.wires == 1) return select<T>(form.lane_value[0], value(q ^ 1), value(q));
    const C zero = select<T>(form.lane_value[1], value(q ^ 1), value(q));
    const C one = select<T>(form.lane_value[1], value(q ^ 3), value(q ^ 2));
    return select<T>(form.lane_value[0], one, zero);
  }

  // x in the lanes where the bits are b in rows of pattern q, elsewhere 0.
  static C where(const Form& form, int q, int b, C x) {
    const C nothing{};
    for (int k = 0; k < form.wires; ++k) {
      const bool flipped = (q ^ b) >> (form.wires - 1 - k) & 1;
      x = flipped ? select<T>(form.lane_value[k], x, nothing)
                  : select<T>(form.lane_value[k], nothing, x);
    }
    return x;
  }

  // factor_[q][d]: M[b][b ^ d] or its adjoint, in every lane, for rows of pattern q.
  void coefficients(const Numbered<T>& given, const Form& form, bool adjoint) {
    for (int q = 0; q < form.patterns; ++q) {
      for (int d = 0; d < form.patterns; ++d) {
        factor_[q][d] = chosen(form, q, [&](int b) {
          return adjoint ? conj(given.number(b ^ d, b)) : given.number(b, b ^ d);
        });
      }
    }
  }

  // sums[b][b ^ d] += sum_[q][d], lane by lane.
  void scatter(const Numbered<T>& given, const Form& form) const {
    for (int q = 0; q < form.patterns; ++q) {
      for (int d = 0; d < form.patterns; ++d) {
        for (int b = 0; b < form.patterns; ++b) {
          if (form.lanes_tell || b == q) given.add_to(b, b ^ d, where(form, q, b, sum_[q][d]));
        }
      }
    }
  }

  static bool within_rows(const Form& form) { return form.wires == 1 && form.in_place; }

  // visit(row) for all of a pattern.
  template <typename F>
  QRNN_INLINE void each_of(const Form& form, int pattern, F&& visit) const {
    for (int64_t r = 0; r < rows_; ++r) {
      if (form.row_pattern(r) == pattern) visit(r);
    }
  }

  template <bool complex>
  QRNN_INLINE static C mixed(C same, C other, C x, int flip) {
    C sum = product<complex>(same, x);
    add_product<complex>(sum, other, L::swapped(x, flip));
    return sum;
  }

  // A gate on one wire that mixes lanes only.
  template <bool complex>
  void apply_lanes(const Form& form, C* psi) const {
    const int flip = form.lane_flip[1];
    for (int q = 0; q < 2; ++q) {
      const C same = held(factor_[q][0]), other = held(factor_[q][1]);
      each_of(form, q, [&](int64_t r) QRNN_INLINE {
        keep(psi[r], mixed<complex>(same, other, held(psi[r]), flip));
      });
    }
  }

  // Undoes it; its cotangents are added to the sums.
  template <bool complex>
  void undo_lanes(const Form& form, C* psi, C* lambda) {
    const int flip = form.lane_flip[1];
    for (int q = 0; q < 2; ++q) {
      const C same = held(factor_[q][0]), other = held(factor_[q][1]);
      C here{}, there{};
      each_of(form, q, [&](int64_t r) QRNN_INLINE {
        const C x = mixed<complex>(same, other, held(psi[r]), flip), k = held(lambda[r]);
        add_conj_product<complex>(here, x, k);
        add_conj_product<complex>(there, L::swapped(x, flip), k);
        keep(psi[r], x);
        keep(lambda[r], mixed<complex>(same, other, k, flip));
      });
      keep(sum_[q][0], here);
      keep(sum_[q][1], there);
    }
  }

  void apply(const Form& form, Block<C>& state) {
    C* out = form.in_place ? state.get() : spare_.get();
    const C* in = state.get();
    for (int64_t r = 0; r < rows_; ++r) {
      const C* factor = factor_[form.row_pattern(r)];
      C sum = times(factor[0], in[r]);
      for (int d = 1; d < form.patterns; ++d) {
        add_times(sum, factor[d], L::swapped(in[r ^ form.row_flip[d]], form.lane_flip[d]));
      }
      out[r] = sum;  // in place, no other row is read
    }
    if (!form.in_place) std::swap(state, spare_);
  }

  // sum_[q][d] += lambda(b) conj(psi(b ^ d))
  void gather(const Form& form, const C* psi, const C* lambda) {
    for (int64_t r = 0; r < rows_; ++r) {
      C* sum = sum_[form.row_pattern(r)];
      for (int d = 0; d < form.patterns; ++d) {
        const C x = L::swapped(psi[r ^ form.row_flip[d]], form.lane_flip[d]);
        add_conj_times(sum[d], x, lambda[r]);
      }
    }
  }

  Layout layout_;
  int64_t rows_;
  Block<C> spare_;
  C factor_[4][4], sum_[4][4];
};

}  // namespace qrnn
