#pragma once

namespace llmm::app {

// The whole program: does what the arguments say and answers the exit code.
int run_command_line(int argc, char** argv);

}  // namespace llmm::app
