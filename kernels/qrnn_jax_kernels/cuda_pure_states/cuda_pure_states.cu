// The kernel on a GPU: one block for one sequence, or for one warp of small ones.

#include <cuda_runtime.h>

#include <string>

#include "handlers.h"

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

struct Launch {
  static constexpr int most_wires = QRNN_MOST_WIRES;
  cudaStream_t stream;

  template <typename Shape, typename T>
  ffi::Error run(const Task<T>& task, bool backward) {
    constexpr int R = Shape::registers, warps = Shape::warps;
    constexpr int most_warps = warps == 1 ? 1 : warps <= 8 ? 8 : 16;
    const bool fit = backward && sums_fit<Shape>(task);
    const int64_t sums = fit ? rows<Shape>(task) * task.fixed_count : 0;
    const int64_t bytes = (Shape::exchanged + sums) * sizeof(T);
    const auto kernel = backward ? sweep<T, R, 2, most_warps> : sweep<T, R, 1, most_warps>;
    const auto grid = static_cast<unsigned>(blocks<Shape>(task));
    kernel<<<grid, 32 * warps, bytes, stream>>>(task, warps, Shape::exchanged, fit);
    const cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) return ffi::Error::Success();
    return ffi::Error::Internal(std::string("the kernel did not start: ") +
                                cudaGetErrorString(error));
  }
};

ffi::Error Forward(cudaStream_t stream, int64_t wires, int64_t words, Input ops,
                   Input fixed, Input varying, Input start, Output reads, Output last) {
  return forward(Launch{stream}, wires, words, ops, fixed, varying, start, reads, last);
}

ffi::Error Backward(cudaStream_t stream, int64_t wires, int64_t words, Input ops,
                    Input fixed, Input varying, Input last, Input reads_slope, Input last_slope,
                    Output fixed_slope, Output varying_slope, Output start_slope) {
  return backward(Launch{stream}, wires, words, ops, fixed, varying, last, reads_slope,
                  last_slope, fixed_slope, varying_slope, start_slope);
}

auto Bound() { return bound(ffi::Ffi::Bind().Ctx<ffi::PlatformStream<cudaStream_t>>()); }

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

XLA_FFI_DEFINE_HANDLER_SYMBOL(QrnnCudaForward, qrnn_cuda::Forward,
                              qrnn_cuda::Bound()
                                  .Ret<qrnn_cuda::ffi::AnyBuffer>()
                                  .Ret<qrnn_cuda::ffi::AnyBuffer>(),
                              {qrnn_cuda::ffi::Traits::kCmdBufferCompatible});

XLA_FFI_DEFINE_HANDLER_SYMBOL(QrnnCudaBackward, qrnn_cuda::Backward,
                              qrnn_cuda::Bound()
                                  .Arg<qrnn_cuda::ffi::AnyBuffer>()
                                  .Arg<qrnn_cuda::ffi::AnyBuffer>()
                                  .Ret<qrnn_cuda::ffi::AnyBuffer>()
                                  .Ret<qrnn_cuda::ffi::AnyBuffer>()
                                  .Ret<qrnn_cuda::ffi::AnyBuffer>(),
                              {qrnn_cuda::ffi::Traits::kCmdBufferCompatible});
