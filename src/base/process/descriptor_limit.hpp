#pragma once
#include <cstddef>

namespace llmm {

// Raises this process's limit of open descriptors to the most that it may have (many systems begin with 1024 of half a
// million) and tells it. Any thread; before anything counts on descriptors.
std::size_t raise_descriptor_limit();

// How many of `wanted` connections a process with so many descriptors can serve: each may need a second one, to an
// engine, and files, databases and the watch over the engines must never be without.
std::size_t servable_connections(std::size_t wanted, std::size_t descriptors);

}  // namespace llmm
