#pragma once
#include "app/cli/api.hpp"
#include "app/cli/texts.hpp"

#include <chrono>
#include <functional>
#include <istream>
#include <ostream>
#include <stdexcept>
#include <string>

#include <boost/json.hpp>

namespace llmm::app::cli {

// Where a command reads and writes: results go to `out`, progress and remarks to `err`.
struct Terminal {
    std::istream& in;
    std::ostream& out;
    std::ostream& err;
    Texts text;
    bool json = false;
    bool in_is_tty = false, out_is_tty = false;
    bool err_is_live = false;  // a terminal that can redraw lines
    bool color = false;        // on `out`
    std::function<std::size_t()> width = [] { return std::size_t{80}; };
    std::function<void(std::chrono::milliseconds)> sleep = {};  // throws Interrupted
    std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;

    // A remark for people; scripts that asked for JSON get none.
    void note(const std::string& line) const {
        if (!json) err << line << std::endl;
    }
    void say(const std::string& line) const { out << line << std::endl; }
    void print(const json::value& value) const { out << value << std::endl; }
    // The width that tables may take; a file or a pipe has no limit.
    std::size_t table_width() const { return out_is_tty ? width() : 0; }
};

// What every command works with.
struct Session {
    Api& api;
    Terminal& terminal;
    const Texts& text = terminal.text;
};

// The process's own streams, with its standard descriptors looked at.
Terminal standard_terminal(Language language);
// From --lang when given, else from the locale in the environment.
Language choose_language(const std::string& option, const char* lc_all, const char* lc_messages, const char* lang);

// A command can't do what was asked: exit code 1 with the text.
class CommandFailed : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace llmm::app::cli
