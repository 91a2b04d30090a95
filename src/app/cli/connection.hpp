#pragma once
#include "app/cli/texts.hpp"
#include "base/config/config.hpp"
#include "base/secret/secret.hpp"

#include <stdexcept>
#include <string>

namespace llmm::app::cli {

struct Connection {
    std::string url;  // without a slash at the end
    SecretString key;
    std::string ca_file;  // empty: the system's
    bool is_loopback = false;
};

// The user asked for something that can't be: exit code 2.
class WrongUsage : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// Finds the service and the key for it. `url` and `key` are what the user gave, or empty; then the
// environment counts, then what this machine is configured to serve. The key of this machine's data directory
// is only sent to this machine.
Connection find_service(const std::string& url, const std::string& key, const Environment& environment,
                        const Texts& texts);

// How to reach a service that listens there: a wildcard address is reached over loopback.
std::string url_of_listen_address(const std::string& listen, bool is_tls);

}  // namespace llmm::app::cli
