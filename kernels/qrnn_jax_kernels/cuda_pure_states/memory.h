// States between memory and the registers of a team.
#pragma once

#include "rows.h"
#include "sweep.h"

namespace qrnn_cuda {

template <typename Team, int R, int S>
class Memory {
 public:
  using T = typename Team::Number;
  using State = typename Sweep<Team, R, S>::State;
  template <typename X>
  using Lanes = typename Team::template Lanes<X>;

  QRNN_DEVICE Memory(const Team& team, const Task<T>& task, const Rows<Team>& rows,
                     Sweep<Team, R, S>& sweep)
      : team_(team), task_(task), rows_(rows), sweep_(sweep) {}

  QRNN_DEVICE void load(int s, bool shared) {
    State& state = sweep_.states[s];
    each_amplitude(shared, [&](int r, const Lanes<int64_t>& offset) {
      const Lanes<const T*> at = team_.each([&](int thread) -> const T* {
        const int64_t here = Team::at(offset, thread);
        return here < 0 ? nullptr : task_.from[s] + here;
      });
      team_.load_pair(at, state.re[r], state.im[r]);
    });
  }

  QRNN_DEVICE void store(int s) const {
    if (!task_.to[s]) return;
    const State& state = sweep_.states[s];
    each_amplitude(false, [&](int r, const Lanes<int64_t>& offset) {
      const Lanes<T*> at = team_.each([&](int thread) -> T* {
        const int64_t here = Team::at(offset, thread);
        return here < 0 || !rows_.is_used(thread) ? nullptr : task_.to[s] + here;
      });
      team_.store_pair(at, state.re[r], state.im[r]);
    });
  }

 private:
  // visit(r, where the amplitude of every thread's register is); negative if there is none.
  template <typename F>
  QRNN_DEVICE void each_amplitude(bool shared, F visit) const {
    int grows[R];  // the bit that a bit of a register's number is in an amplitude's index
    QRNN_UNROLL
    for (int i = 0; i < R; ++i) {
      grows[i] = spread(sweep_.places.index(1 << (sweep_.thread_bits() + i)));
    }
    const Lanes<int64_t> first = team_.each([&](int thread) -> int64_t {
      const int held = spread(sweep_.places.index(sweep_.place(0, thread)));
      const int index = held | deposit(sweep_.tile(thread), ~task_.tile_bits);
      return ((shared ? 0 : rows_.sequence(thread)) << task_.wires) + index;
    });
    QRNN_UNROLL
    for (int r = 0; r < 1 << R; ++r) {
      int more = 0;
      QRNN_UNROLL
      for (int i = 0; i < R; ++i) more |= r >> i & 1 ? grows[i] : 0;
      const bool is_there = more >> task_.wires == 0;
      visit(r, team_.each([&](int thread) -> int64_t {
        return is_there ? 2 * (Team::at(first, thread) + more) : -1;
      }));
    }
  }

  QRNN_DEVICE int spread(int index) const { return deposit(index, task_.tile_bits); }

  const Team& team_;
  const Task<T>& task_;
  const Rows<Team>& rows_;
  Sweep<Team, R, S>& sweep_;
};

}  // namespace qrnn_cuda
