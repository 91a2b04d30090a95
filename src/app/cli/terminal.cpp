#include "app/cli/terminal.hpp"

#include "app/cli/interrupt.hpp"

#include <cstdlib>
#include <iostream>
#include <sys/ioctl.h>
#include <unistd.h>

namespace llmm::app::cli {
namespace {

std::size_t terminal_width() {
    for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO}) {
        winsize size{};
        if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    }
    return 80;
}

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

}  // namespace

Terminal standard_terminal(Language language) {
    const bool is_dumb = variable("TERM").empty() || variable("TERM") == "dumb";
    Terminal terminal{.in = std::cin, .out = std::cout, .err = std::cerr, .text = Texts(language)};
    terminal.in_is_tty = isatty(STDIN_FILENO) != 0;
    terminal.out_is_tty = isatty(STDOUT_FILENO) != 0;
    terminal.err_is_live = isatty(STDERR_FILENO) != 0 && !is_dumb;
    terminal.color = terminal.out_is_tty && !is_dumb && variable("NO_COLOR").empty();
    terminal.width = terminal_width;
    terminal.sleep = sleep_interruptibly;
    return terminal;
}

Language choose_language(const std::string& option, const char* lc_all, const char* lc_messages, const char* lang) {
    if (!option.empty()) return option == "zh" ? Language::zh : Language::en;
    for (const char* value : {lc_all, lc_messages, lang}) {
        if (value && *value) return std::string_view(value).starts_with("zh") ? Language::zh : Language::en;
    }
    return Language::en;
}

}  // namespace llmm::app::cli
