#pragma once
#include <chrono>
#include <exception>

// Ctrl-C: the first asks, the second while nobody has answered yet ends the program with 130.
namespace llmm::app::cli {

inline constexpr int kExitInterrupted = 130;  // 128 + SIGINT, as shells report it

class Interrupted : public std::exception {
  public:
    const char* what() const noexcept override { return "interrupted"; }
};

void catch_interrupts();
bool interrupt_requested();
// Answers the request, so that the next Ctrl-C is a first one again.
void clear_interrupt();
// Until the terminal has input, or an interrupt comes; one that comes just before counts as well.
void wait_for_input();
// Throws Interrupted as soon as Ctrl-C is pressed.
void sleep_interruptibly(std::chrono::milliseconds duration);

}  // namespace llmm::app::cli
