// The kernels on a GPU: a block for a sequence, for a part of a wide one, or for a warp of small ones.

#include <cuda_runtime.h>

#include <string>

#include "bindings.h"

#ifndef QRNN_MOST_WIRES
#define QRNN_MOST_WIRES 13  // fewer compile sooner: see the tests
#endif

namespace qrnn_cuda {

// R and S: see sweep.h. The most warps of a block tell how many registers a thread can have.
template <typename T, int R, int S, int most_warps>
__global__ void __launch_bounds__(32 * most_warps) sweep(const Task<T> task, int warps,
                                                         int exchanged, bool fit) {
  extern __shared__ double shared[];
  T* buffer = reinterpret_cast<T*>(shared);
  using Threads = Team<T, (most_warps > 1)>;
  const Threads team{warps, static_cast<int>(threadIdx.x), buffer};
  Loop<Threads, R, S> loop(team, task, blockIdx.x, fit ? buffer + exchanged : nullptr);
  if constexpr (S == 1) {
    loop.forward();
  } else {
    loop.backward();
  }
}

template <typename T, int R, int S, int warps>
__global__ void __launch_bounds__(32 * warps) pass(const Task<T> task) {
  extern __shared__ double shared[];
  using Threads = Team<T, (warps > 1)>;
  const Threads team{warps, static_cast<int>(threadIdx.x), reinterpret_cast<T*>(shared)};
  Pass<Threads, R, S>(team, task, blockIdx.x).run();
}

template <typename T>
__global__ void __launch_bounds__(32) add_up(const Sum<T> sum) {
  const Team<T, false> team{1, static_cast<int>(threadIdx.x), nullptr};
  add_rows(team, sum, blockIdx.x);
}

struct Launch {
  static constexpr int most_wires = QRNN_MOST_WIRES;
  static constexpr int least_tile = std::min(11, most_wires), most_tile = least_tile;
  cudaStream_t stream;

  template <typename Shape, typename T>
  ffi::Error run(const Task<T>& task, bool backward) {
    constexpr int R = Shape::registers, warps = Shape::warps;
    constexpr int most_warps = warps == 1 ? 1 : warps <= 8 ? 8 : 16;
    const bool fit = backward && sums_fit<Shape>(task);
    const int64_t sums = fit ? rows<Shape>(task) * task.fixed_count : 0;
    const int64_t bytes = (Shape::exchanged + sums) * sizeof(T);
    const auto kernel = backward ? sweep<T, R, 2, most_warps> : sweep<T, R, 1, most_warps>;
    kernel<<<grid<Shape>(task), 32 * warps, bytes, stream>>>(task, warps, Shape::exchanged, fit);
    return started();
  }

  template <typename Shape, typename T>
  ffi::Error pass(const Task<T>& task, bool backward) {
    constexpr int R = Shape::registers, warps = Shape::warps;
    const auto kernel =
        backward ? qrnn_cuda::pass<T, R, 2, warps> : qrnn_cuda::pass<T, R, 1, warps>;
    kernel<<<grid<Shape>(task), 32 * warps, Shape::exchanged * sizeof(T), stream>>>(task);
    return started();
  }

  template <typename T>
  ffi::Error sum(const Sum<T>& sum, int64_t batch) {
    add_up<<<static_cast<unsigned>(batch * sum.count), 32, 0, stream>>>(sum);
    return started();
  }

  template <typename T>
  ffi::Error clear(T* from, int64_t count) {
    return told(cudaMemsetAsync(from, 0, count * sizeof(T), stream));
  }

 private:
  template <typename Shape, typename T>
  static unsigned grid(const Task<T>& task) {
    return static_cast<unsigned>(blocks<Shape>(task));
  }

  static ffi::Error started() { return told(cudaGetLastError()); }

  static ffi::Error told(cudaError_t error) {
    if (error == cudaSuccess) return ffi::Error::Success();
    return ffi::Error::Internal(std::string("the kernel did not start: ") +
                                cudaGetErrorString(error));
  }
};

auto Forward(cudaStream_t stream, int64_t wires, int64_t words, Input ops, Input fixed,
             Input varying, Input start, Output reads, Output last) {
  return forward(Launch{stream}, wires, words, ops, fixed, varying, start, reads, last);
}

auto Backward(cudaStream_t stream, int64_t wires, int64_t words, Input ops, Input fixed,
              Input varying, Input last, Input reads_slope, Input last_slope, Output fixed_slope,
              Output varying_slope, Output start_slope) {
  return backward(Launch{stream}, wires, words, ops, fixed, varying, last, reads_slope,
                  last_slope, fixed_slope, varying_slope, start_slope);
}

auto WideForward(cudaStream_t stream, int64_t wires, int64_t words, int64_t tile, int64_t parts,
                 Passes passes, Input ops, Input fixed, Input varying, Input start, Output reads,
                 Output last, Output workspace) {
  return forward_wide(Launch{stream}, wires, words, {tile, parts, passes}, ops, fixed, varying,
                      start, reads, last, workspace);
}

auto WideBackward(cudaStream_t stream, int64_t wires, int64_t words, int64_t tile, int64_t parts,
                  Passes passes, Input ops, Input fixed, Input varying, Input last,
                  Input reads_slope, Input last_slope, Output fixed_slope, Output varying_slope,
                  Output start_slope, Output psi, Output workspace) {
  return backward_wide(Launch{stream}, wires, words, {tile, parts, passes}, ops, fixed, varying,
                       last, reads_slope, last_slope, fixed_slope, varying_slope, start_slope, psi,
                       workspace);
}

auto Context() { return ffi::Ffi::Bind().Ctx<ffi::PlatformStream<cudaStream_t>>(); }

}  // namespace qrnn_cuda

// Why the GPU cannot run this, or null.
extern "C" const char* QrnnCudaObstacle() {
  int driver = 0, runtime = 0, devices = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver / 1000 < runtime / 1000) return "the driver is older than the CUDA compiler";
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  return devices ? nullptr : "no device";
}

QRNN_HANDLERS(QrnnCuda, {qrnn_cuda::ffi::Traits::kCmdBufferCompatible})
