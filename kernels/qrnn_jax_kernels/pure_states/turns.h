// Gates on one wire inside a tile, and their adjoints.
//
// A real turn is c (1 + t J), t its tangent, J a turn by 90 degrees: half of the work, where something
// else multiplies by c. In lanes where the bit of a wire is the other way round, entries of the
// matrix change their places instead.
#pragma once

#include <algorithm>
#include <type_traits>

#include "gates.h"

namespace qrnn {

enum class TurnForm { kComplex, kReal, kTangent };

// A gate on one wire of a tile; real ones are orthogonal matrices.
template <typename T>
class Turn {
 public:
  using Vec = typename Lanes<T>::Vec;
  using C = Complex<T>;

  void set(const Numbered<T>& given, int bit, int lane_value, bool adjoint) {
    given_ = given;
    half = 1 << bit;
    form = given.gate->real() ? TurnForm::kReal : TurnForm::kComplex;
    lanes_tell_ = lane_value;
    odd_ = Lanes<T>::odd(lane_value);
    for (int b = 0; b < 2; ++b) {
      for (int c = 0; c < 2; ++c) {
        auto entry = [&](int x) {
          return adjoint ? conj(given.number(c ^ x, b ^ x)) : given.number(b ^ x, c ^ x);
        };
        matrix_[b][c] = lanes_tell_ ? select<T>(odd_, entry(1), entry(0)) : entry(0);
        sum_[b][c] = C{};
      }
    }
  }

  // Whether its factor can be left out: the tangent is not too large, nor is what is missing too
  // small.
  bool leaves(Vec missing) const {
    if (given_.gate->kind != kTurn) return false;
    const Vec c = factor(), s = matrix_[1][0].re, rest = missing * c;
    return Lanes<T>::all((s * s <= c * c * kMost) & (rest * rest >= Vec{} + kLeast));
  }

  Vec factor() const { return matrix_[0][0].re; }

  // Psi and lambda are stored without factors `missing`; with `leave` without its own one as well
  // from here on.
  void take(Vec& missing, bool leave) {
    weight_ = missing * missing;
    if (!leave) return;
    form = TurnForm::kTangent;
    matrix_[1][0].re /= factor();
    missing *= factor();
  }

  // The matrix and the sums of cotangents, in registers while places are visited.
  template <TurnForm form>
  struct Held {
    static constexpr bool complex = form == TurnForm::kComplex;
    C xx, xz, zx, zz;  // the matrix
    C sxx{}, sxz{}, szx{}, szz{};

    QRNN_INLINE void apply(C& x, C& z) const {
      if constexpr (form == TurnForm::kTangent) {
        const C y{x.re - zx.re * z.re, x.im - zx.re * z.im};
        z.re += zx.re * x.re;
        z.im += zx.re * x.im;
        x = y;
        return;
      }
      C y = product<complex>(xx, x), u = product<complex>(zz, z);
      add_product<complex>(y, xz, z);
      add_product<complex>(u, zx, x);
      x = y;
      z = u;
    }

    // psi is x, z; lambda is k, l. A real gate turns: lambda . J psi is all that there is, J of a
    // turn by 90 degrees.
    QRNN_INLINE void undo(C& x, C& z, C& k, C& l) {
      if constexpr (complex) {
        apply(x, z);
        add_conj_times(sxx, x, k);
        add_conj_times(sxz, z, k);
        add_conj_times(szx, x, l);
        add_conj_times(szz, z, l);
      } else {
        sxx.re += x.re * l.re;
        sxx.re += x.im * l.im;
        sxx.re -= z.re * k.re;
        sxx.re -= z.im * k.im;
        apply(x, z);
      }
      apply(k, l);
    }
  };

  template <TurnForm form>
  QRNN_INLINE Held<form> hold() const {
    return {matrix_[0][0], matrix_[0][1], matrix_[1][0], matrix_[1][1]};
  }

  template <TurnForm form>
  QRNN_INLINE void release(const Held<form>& held) {
    add(sum_[0][0], held.sxx);
    if (form != TurnForm::kComplex) return;
    add(sum_[0][1], held.sxz);
    add(sum_[1][0], held.szx);
    add(sum_[1][1], held.szz);
  }

  void add_sums(const Turn& part) {
    for (int b = 0; b < 2; ++b) {
      for (int c = 0; c < 2; ++c) add(sum_[b][c], part.sum_[b][c]);
    }
  }

  void settle() const { form == TurnForm::kComplex ? settle_complex() : settle_real(); }

  int half;  // distance of two places that are mixed
  TurnForm form;

 private:
  // squares: of a tangent, of what is missing
  static constexpr T kMost = 1 << 20, kLeast = T(1) / (int64_t{1} << 40);

  void settle_complex() const {
    for (int b = 0; b < 2; ++b) {
      for (int c = 0; c < 2; ++c) {
        const C there = sum_[b][c], other = sum_[b ^ 1][c ^ 1];
        const C sum = lanes_tell_ ? select<T>(odd_, other, there) : there;
        given_.add_to(b, c, {sum.re * weight_, sum.im * weight_});
      }
    }
  }

  // dM = w J M changes the loss by w times the sum; so does the cotangent J M sum / 2.
  void settle_real() const {
    const Vec sum = sum_[0][0].re * weight_, weight = (odd_ ? -sum : sum) * T(0.5);
    for (int c = 0; c < 2; ++c) {
      given_.add_to(0, c, C{-weight * given_.number(1, c).re, {}});
      given_.add_to(1, c, C{weight * given_.number(0, c).re, {}});
    }
  }

  Numbered<T> given_;
  bool lanes_tell_ = false;
  typename Lanes<T>::Index odd_;
  C matrix_[2][2], sum_[2][2];
  Vec weight_;  // of the sums, where psi and lambda lack factors
};

// One turn, or two turns of a kind on different wires at once.
template <typename T>
class Turns {
 public:
  using Vec = typename Lanes<T>::Vec;
  using C = Complex<T>;

  Turns(Turn<T>* first, Turn<T>* second) : first_(first), second_(second) {}

  // By their tangents if that is possible for both.
  void take(Vec& missing) const {
    const Vec then = missing * first_->factor();
    const bool leave = first_->leaves(missing) && (!second_ || second_->leaves(then));
    first_->take(missing, leave);
    if (second_) second_->take(missing, leave);
  }

  template <typename From, typename To>
  void forward(const From& psi, const To& to, int places) const {
    by_form([&](auto form) {
      second_ ? two<form.value>(psi, to, places) : one<form.value>(psi, to, places);
    });
  }

  // Undoes turns that were set to be the adjoint ones.
  template <typename From, typename To>
  void backward(const From& psi, const From& lambda, const To& to, const To& lambda_to,
                int places) const {
    by_form([&](auto form) {
      second_ ? two_back<form.value>(psi, lambda, to, lambda_to, places)
              : one_back<form.value>(psi, lambda, to, lambda_to, places);
    });
  }

 private:
  template <TurnForm form>
  using Constant = std::integral_constant<TurnForm, form>;

  // task(the form of both turns)
  template <typename F>
  void by_form(F&& task) const {
    if (first_->form == TurnForm::kTangent) return task(Constant<TurnForm::kTangent>{});
    if (first_->form == TurnForm::kReal) return task(Constant<TurnForm::kReal>{});
    task(Constant<TurnForm::kComplex>{});
  }

  template <typename F>
  QRNN_INLINE void pairs(int places, F&& visit) const {
    const int half = first_->half;
    for (int start = 0; start < places; start += 2 * half) {
      for (int i = start; i < start + half; ++i) visit(i, i + half);
    }
  }

  // visit(i, with the first bit set, with the second, with both)
  template <typename F>
  QRNN_INLINE void fours(int places, F&& visit) const {
    const int f = first_->half, s = second_->half, low = std::min(f, s), high = std::max(f, s);
    for (int outer = 0; outer < places; outer += 2 * high) {
      for (int inner = outer; inner < outer + high; inner += 2 * low) {
        for (int i = inner; i < inner + low; ++i) visit(i, i + f, i + s, i + f + s);
      }
    }
  }

  template <TurnForm form, typename From, typename To>
  void one(const From& psi, const To& to, int places) const {
    const auto turn = first_->template hold<form>();
    pairs(places, [&](int i, int j) QRNN_INLINE {
      C x = psi.get(i), z = psi.get(j);
      turn.apply(x, z);
      to.put(i, x);
      to.put(j, z);
    });
  }

  template <TurnForm form, typename From, typename To>
  void one_back(const From& psi, const From& lambda, const To& to, const To& lambda_to,
                int places) const {
    auto turn = first_->template hold<form>();
    pairs(places, [&](int i, int j) QRNN_INLINE {
      C x = psi.get(i), z = psi.get(j), k = lambda.get(i), l = lambda.get(j);
      turn.undo(x, z, k, l);
      to.put(i, x);
      to.put(j, z);
      lambda_to.put(i, k);
      lambda_to.put(j, l);
    });
    first_->release(turn);
  }

  template <TurnForm form, typename From, typename To>
  void two(const From& psi, const To& to, int places) const {
    const auto first = first_->template hold<form>();
    const auto second = second_->template hold<form>();
    fours(places, [&](int i, int f, int s, int b) QRNN_INLINE {
      C x = psi.get(i), y = psi.get(f), z = psi.get(s), u = psi.get(b);
      first.apply(x, y);
      first.apply(z, u);
      second.apply(x, z);
      second.apply(y, u);
      to.put(i, x);
      to.put(f, y);
      to.put(s, z);
      to.put(b, u);
    });
  }

  template <TurnForm form, typename From, typename To>
  void two_back(const From& psi, const From& lambda, const To& to, const To& lambda_to,
                int places) const {
    auto first = first_->template hold<form>();
    auto second = second_->template hold<form>();
    fours(places, [&](int i, int f, int s, int b) QRNN_INLINE {
      C x = psi.get(i), y = psi.get(f), z = psi.get(s), u = psi.get(b);
      C k = lambda.get(i), l = lambda.get(f), m = lambda.get(s), n = lambda.get(b);
      first.undo(x, y, k, l);
      first.undo(z, u, m, n);
      second.undo(x, z, k, m);
      second.undo(y, u, l, n);
      to.put(i, x);
      to.put(f, y);
      to.put(s, z);
      to.put(b, u);
      lambda_to.put(i, k);
      lambda_to.put(f, l);
      lambda_to.put(s, m);
      lambda_to.put(b, n);
    });
    first_->release(first);
    second_->release(second);
  }

  Turn<T>* first_;
  Turn<T>* second_;
};

}  // namespace qrnn
