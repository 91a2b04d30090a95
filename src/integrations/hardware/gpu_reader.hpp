#pragma once
#include "integrations/hardware/hardware.hpp"
#include "integrations/hardware/nvml.hpp"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace llmm::hardware {

// Cards of AMD, from /sys/class/drm.
std::vector<Gpu> read_amd_gpus(const KernelFiles& files = {});

// All GPUs of this machine. That there is no library for those of NVIDIA is said once in the log. May be used from
// several threads.
class GpuReader {
  public:
    explicit GpuReader(const std::string& nvml_library = "libnvidia-ml.so.1", KernelFiles files = {});

    std::vector<Gpu> read() const;  // NVIDIA's first
    // Bytes of GPU memory that these processes hold together, by the GPU's UUID. A GPU of which nobody tells is absent.
    std::map<std::string, std::uint64_t> memory_of(std::span<const pid_t> pids) const;

  private:
    KernelFiles files_;
    std::unique_ptr<Nvml> nvml_;
};

}  // namespace llmm::hardware
