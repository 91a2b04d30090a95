#pragma once
#include "base/async/task.hpp"
#include "base/config/config.hpp"

#include <filesystem>
#include <memory>

#include <boost/asio/io_context.hpp>

namespace llmm::http {
class Router;
}

namespace llmm::app {

// Every object of the service, built in dependency order, and the order in which they stop.
class App {
  public:
    // Builds and migrates; throws Error with what an operator has to change. `resources` is the folder share/.
    App(asio::io_context& loop, Config config, std::filesystem::path resources);
    ~App();

    // Picks up what an earlier run left, then serves.
    Task<> start();
    // Nothing new, then everything in work ends; see app.cpp for the order.
    Task<> stop();
    // Certificates and log level from the configuration as it is now.
    void reload();
    std::string url() const;
    const http::Router& router() const;

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

// Checks across options that no single one can make. Throws ConfigError.
void check_config(const Config& config);

}  // namespace llmm::app
