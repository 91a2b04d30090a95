#pragma once
#include "integrations/hardware/hardware.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llmm::hardware {

// NVIDIA's management library, which comes with the driver: loaded at run time, so that one program runs on machines
// with and without it. May be used from several threads.
class Nvml {
  public:
    // nullptr when there is none, with the reason in `why`. `library`: "libnvidia-ml.so.1" or a path.
    static std::unique_ptr<Nvml> load(const std::string& library, std::string& why);
    ~Nvml();
    Nvml(const Nvml&) = delete;
    Nvml& operator=(const Nvml&) = delete;

    std::vector<Gpu> read() const;

    struct Use {
        std::string uuid;
        pid_t pid = 0;
        std::optional<std::uint64_t> memory;  // nullopt: the driver doesn't say (some virtualised GPUs)
    };
    // Which processes hold memory of which GPU. Process ids are the host's: inside a container they may match none.
    std::vector<Use> processes() const;

  private:
    struct Library;
    explicit Nvml(std::unique_ptr<Library> library);
    std::unique_ptr<Library> library_;
};

}  // namespace llmm::hardware
