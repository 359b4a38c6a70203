// Tasks on XLA's own threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "xla/ffi/api/ffi.h"

namespace qrnn {

class Workers {
 public:
  // Null is the caller alone.
  explicit Workers(xla::ffi::ThreadPool* pool) : pool_(pool) {}

  int64_t count() const { return pool_ ? std::max<int64_t>(pool_->num_threads(), 1) : 1; }
  bool alone() const { return count() == 1; }

  // All tasks on the pool and on the caller, which returns when they are done.
  template <typename F>
  void run(int64_t tasks, const F& task) const {
    if (alone()) {
      for (int64_t i = 0; i < tasks; ++i) task(i);
      return;
    }
    auto state = std::make_shared<State>();
    auto work = [state, tasks, task] {
      for (int64_t i; (i = state->next++) < tasks;) {
        task(i);
        std::lock_guard<std::mutex> lock(state->mutex);
        if (++state->done == tasks) state->ready.notify_all();
      }
    };
    const int64_t helpers = std::min(count(), tasks) - 1;
    for (int64_t h = 0; h < helpers; ++h) pool_->Schedule(std::function<void()>(work));
    work();
    std::unique_lock<std::mutex> lock(state->mutex);
    state->ready.wait(lock, [&] { return state->done == tasks; });
  }

 private:
  struct State {
    std::atomic<int64_t> next{0};
    int64_t done = 0;
    std::mutex mutex;
    std::condition_variable ready;
  };

  xla::ffi::ThreadPool* pool_;
};

}  // namespace qrnn
