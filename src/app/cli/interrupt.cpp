#include "app/cli/interrupt.hpp"

#include <atomic>
#include <csignal>
#include <ctime>
#include <poll.h>
#include <unistd.h>

namespace llmm::app::cli {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // or a signal handler could not touch it

void on_signal(int) {
    if (requested.exchange(true)) _exit(kExitInterrupted);
}

}  // namespace

void catch_interrupts() {
    struct sigaction action{};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = 0;  // no SA_RESTART: waiting for input has to end
    sigaction(SIGINT, &action, nullptr);
}

bool interrupt_requested() {
    return requested.load();
}

void clear_interrupt() {
    requested.store(false);
}

void wait_for_input() {
    // Blocked but for the wait itself, so that none comes between the look at the flag and the wait.
    sigset_t interrupt, before;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, &before);
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (!requested) ppoll(&input, 1, nullptr, &before);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void sleep_interruptibly(std::chrono::milliseconds duration) {
    if (requested) throw Interrupted();
    const auto nanoseconds = std::chrono::nanoseconds(duration).count();
    const timespec time{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
    nanosleep(&time, nullptr);
    if (requested) throw Interrupted();
}

}  // namespace llmm::app::cli
