#pragma once

namespace llmm {
struct Config;
}

namespace llmm::app {

// The commands that run the service in this process instead of speaking to one. Both answer an exit code.
int serve(const Config& config);
int migrate(const Config& config);

}  // namespace llmm::app
