// Several gates in one pass over a state, and their adjoints.
//
// A pass copies each tile (see shape.h) to a cache, applies all gates there and puts it back.
#pragma once

#include <vector>

#include "../shared/workers.h"
#include "phases.h"
#include "places.h"
#include "turns.h"

namespace qrnn {

// A run of gates in one pass, in the order of a run or of a run backward.
template <typename T>
class Pass {
 public:
  using C = Complex<T>;
  using Vec = typename Lanes<T>::Vec;

  Pass(Layout layout, bool adjoint)
      : shape_(layout), adjoint_(adjoint), wide_(layout.rows() >= kWide) {}

  void open() {
    shape_.clear();
    turns_ = phases_ = steps_ = 0;
  }

  bool empty() const { return !steps_; }

  // Whether the gate can join, which it does.
  bool take(const Numbered<T>& given, const Labels& labels) {
    const Gate& gate = *given.gate;
    if (gate.kind == kControlledNot) return false;
    if (gate.kind == kDiagonal) return take_phases(given, labels);
    if (gate.count != 1 || turns_ == kTurns || !shape_.span(gate.wires[0], labels)) return false;
    const int bit = shape_.spanning(gate.wires[0]);
    turn_[turns_].set(given, bit, shape_.lane_value(bit), adjoint_);
    if (joins_last()) {
      step_[steps_ - 1].second = turns_;
    } else {
      step_[steps_++] = {true, turns_, -1};
    }
    ++turns_;
    return true;
  }

  // The state is stored without factors `missing`: its values are that times what is there.
  void forward(C* psi, Vec& missing, const Workers& workers) {
    close(missing);
    shape_.mixes_lanes() ? run<true>(psi, workers) : run<false>(psi, workers);
  }

  // Undoes them; the cotangents of the gates' numbers are added to their sums.
  void backward(C* psi, C* lambda, Vec& missing, const Workers& workers) {
    close(missing);
    shape_.mixes_lanes() ? run<true>(psi, lambda, workers) : run<false>(psi, lambda, workers);
    for (int i = 0; i < turns_; ++i) turn_[i].settle();
    for (int i = 0; i < phases_; ++i) phase_[i].settle();
  }

 private:
  static constexpr int kTurns = 16, kPhases = 4, kParts = 16;

  // One or two turns, or phases.
  struct Step {
    bool turns;
    int first, second;
  };

  // Whether the newest turn can be made together with the one before.
  bool joins_last() const {
    if (!steps_ || !step_[steps_ - 1].turns || step_[steps_ - 1].second >= 0) return false;
    const Turn<T>&last = turn_[step_[steps_ - 1].first], &own = turn_[turns_];
    return last.half != own.half && last.form == own.form;
  }

  bool take_phases(const Numbered<T>& given, const Labels& labels) {
    if (phases_ == kPhases) return false;
    for (int k = 0; k < given.gate->count; ++k) {
      bits_[phases_][k] = shape_.any(given.gate->wires[k], labels);
      if (bits_[phases_][k] < 0) return false;
    }
    step_[steps_++] = {false, phases_, -1};
    waiting_[phases_++] = given;
    return true;
  }

  // Which phases belong to which places is known when all wires are. Turns leave their factors to
  // phases, which multiply anyway.
  void close(Vec& missing) {
    for (int s = 0; s < steps_; ++s) {
      const int own = step_[s].first;
      if (step_[s].turns) {
        turns(step_[s]).take(missing);
      } else {
        phase_[own].set(waiting_[own], bits_[own], shape_, adjoint_);
        phase_[own].take(missing);
      }
    }
  }

  // task(pass, from, to) for all tiles; of wide states in parts, each with a copy of the pass, whose
  // sums are then added in order.
  template <typename F>
  void each_part(const Workers& workers, F&& task) {
    const int64_t tiles = shape_.tiles();
    if (workers.alone() || !wide_) return task(*this, 0, tiles);
    std::vector<Pass> parts(kParts, *this);
    workers.run(kParts, [&](int64_t part) {
      task(parts[part], tiles * part / kParts, tiles * (part + 1) / kParts);
    });
    if (!adjoint_) return;
    for (const Pass& part : parts) {
      for (int i = 0; i < turns_; ++i) turn_[i].add_sums(part.turn_[i]);
      for (int i = 0; i < phases_; ++i) phase_[i].add_sums(part.phase_[i]);
    }
  }

  template <bool mixes>
  void run(C* psi, const Workers& workers) {
    each_part(workers, [&](Pass& own, int64_t from, int64_t to) {
      own.shape_.each(from, to, [&](int64_t row, int number, int still, int64_t next) {
        const InState<T, mixes> here{psi, own.shape_, row, number};
        wide_ ? own.apply_wide(here, still, next) : own.apply_all(here, still);
      });
    });
  }

  template <bool mixes>
  void run(C* psi, C* lambda, const Workers& workers) {
    each_part(workers, [&](Pass& own, int64_t from, int64_t to) {
      own.shape_.each(from, to, [&](int64_t row, int number, int still, int64_t next) {
        const InState<T, mixes> here{psi, own.shape_, row, number};
        const InState<T, mixes> there{lambda, own.shape_, row, number};
        wide_ ? own.undo_wide(here, there, still, next) : own.undo_all(here, there, still);
      });
    });
  }

  // Two tiles that belong to the thread.
  static C* tiles() {
    static thread_local const Block<C> held = block<C>(2 * kTilePlaces);
    return held.get();
  }

  template <typename State>
  void apply_all(const State& psi, int still) {
    const InCache<T> tile{tiles()};
    const int last = steps_ - 1;
    if (!last) return apply(step_[0], still, psi, psi);
    apply(step_[0], still, psi, tile);
    for (int s = 1; s < last; ++s) apply(step_[s], still, tile, tile);
    apply(step_[last], still, tile, psi);
  }

  template <typename State>
  void undo_all(const State& psi, const State& lambda, int still) {
    const InCache<T> tile{tiles()}, other{tiles() + shape_.places()};
    const int last = steps_ - 1;
    if (!last) return undo(step_[0], still, psi, lambda, psi, lambda);
    undo(step_[0], still, psi, lambda, tile, other);
    for (int s = 1; s < last; ++s) undo(step_[s], still, tile, other, tile, other);
    undo(step_[last], still, tile, other, psi, lambda);
  }

  // Of wide states: memory is only copied, and the next tile is asked for between the gates.
  template <typename State>
  void apply_wide(const State& psi, int still, int64_t next) {
    const InCache<T> tile{tiles()};
    const int places = shape_.places();
    copy(psi, tile, places);
    for (int s = 0; s < steps_; ++s) {
      shape_.fetch(psi.state, next, places * s / steps_, places * (s + 1) / steps_);
      apply(step_[s], still, tile, tile);
    }
    copy(tile, psi, places);
  }

  template <typename State>
  void undo_wide(const State& psi, const State& lambda, int still, int64_t next) {
    const InCache<T> tile{tiles()}, other{tiles() + shape_.places()};
    const int places = shape_.places();
    copy(psi, tile, places);
    copy(lambda, other, places);
    for (int s = 0; s < steps_; ++s) {
      for (const C* state : {psi.state, lambda.state}) {
        shape_.fetch(state, next, places * s / steps_, places * (s + 1) / steps_);
      }
      undo(step_[s], still, tile, other, tile, other);
    }
    copy(tile, psi, places);
    copy(other, lambda, places);
  }

  template <typename From, typename To>
  QRNN_INLINE static void copy(const From& from, const To& to, int places) {
    for (int i = 0; i < places; ++i) to.put(i, from.get(i));
  }

  Turns<T> turns(Step step) {
    return {&turn_[step.first], step.second < 0 ? nullptr : &turn_[step.second]};
  }

  template <typename From, typename To>
  void apply(Step step, int still, const From& psi, const To& to) {
    const int places = shape_.places();
    step.turns ? turns(step).forward(psi, to, places)
               : phase_[step.first].forward(psi, to, places, still);
  }

  template <typename From, typename To>
  void undo(Step step, int still, const From& psi, const From& lambda, const To& to,
            const To& lambda_to) {
    const int places = shape_.places();
    step.turns ? turns(step).backward(psi, lambda, to, lambda_to, places)
               : phase_[step.first].backward(psi, lambda, to, lambda_to, places, still);
  }

  Shape shape_;
  bool adjoint_, wide_;
  int turns_ = 0, phases_ = 0, steps_ = 0;
  Step step_[kTurns + kPhases];
  Turn<T> turn_[kTurns];
  Phases<T> phase_[kPhases];
  Numbered<T> waiting_[kPhases];
  int bits_[kPhases][kMostWires];
};

}  // namespace qrnn
