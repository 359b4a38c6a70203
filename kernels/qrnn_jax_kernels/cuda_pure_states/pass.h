// One pass over wide states: a team works on its share of a sequence's tiles, one after the other.
#pragma once

#include "step.h"

namespace qrnn_cuda {

template <typename Team, int R, int S>
class Pass {
 public:
  using T = typename Team::Number;
  using Value = typename Team::Value;
  template <typename X>
  using Lanes = typename Team::template Lanes<X>;

  QRNN_DEVICE Pass(const Team& team, const Task<T>& task, int64_t block)
      : team_(team), task_(task), step_(team, task, block, nullptr) {}

  QRNN_DEVICE void run() {
    const int share = (1 << (task_.wires - task_.tile)) / task_.parts;
    step_.at(task_.step);
    for (int i = 0; i < share; ++i) {
      step_.sweep.restart(team_.each([&](int thread) -> int {
        return step_.rows.part(thread) * share + i;
      }));
      step_.load(0, task_.start_is_shared);
      if constexpr (S == 2) step_.load(1, false);
      if (task_.scales) step_.sweep.scale(scale());
      if (task_.looks_first) look();
      if constexpr (S == 1) {
        step_.forward();
      } else {
        step_.backward();
      }
      if (task_.looks_last) look();
      step_.store(0);
      if constexpr (S == 2) step_.store(1);
    }
  }

 private:
  QRNN_DEVICE Value scale() const {
    const Lanes<const T*> norms = team_.each([&](int thread) -> const T* {
      return task_.norms + 2 * step_.rows.sequence(thread);
    });
    return step_.steadying(team_.load(norms, 0), team_.load(norms, 1));
  }

  // Adds |psi|^2 of the tile to that of the row.
  QRNN_DEVICE void look() const {
    Value sum[1] = {step_.sweep.norm()};
    step_.rows.template add_up<1>(sum);
    const Lanes<T*> to = team_.each([&](int thread) -> T* {
      if (!step_.rows.is_used(thread) || step_.rows.held(thread, 1) < 0) return nullptr;
      return task_.norm_rows + step_.rows.row(thread);
    });
    team_.add(to, 0, sum[0]);
  }

  const Team& team_;
  const Task<T>& task_;
  Step<Team, R, S> step_;
};

}  // namespace qrnn_cuda
