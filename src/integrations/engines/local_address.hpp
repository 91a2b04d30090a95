#pragma once
#include "base/net/upstream.hpp"

#include <filesystem>
#include <string>
#include <string_view>

// Where engines of this machine listen. Everything here blocks.
namespace llmm::engines {

// A private directory for sockets whose names fit into a socket address.
std::filesystem::path socket_directory(const std::filesystem::path& home);
// The file in that directory that belongs to this instance: its id's random end with the suffix.
std::filesystem::path private_file(const std::filesystem::path& home, const std::string& instance,
                                   std::string_view suffix);
// A socket left by an instance that has ended would make the next one fail to bind.
void remove_socket(const Endpoint& endpoint);
// Throws PORT_IN_USE when somebody listens on this port of the loopback address.
void check_port_free(int port);
// A port of the loopback address that nobody had when it was asked for.
int find_free_port();

}  // namespace llmm::engines
