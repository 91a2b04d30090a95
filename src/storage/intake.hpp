#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace llmm::storage {

// How a file of this machine came into the store.
enum class Taken { reflink, hard_link, copy };
std::string_view name_of(Taken taken);

// Makes the content of an open regular file appear at `part`, which must not exist: as a reflink where the file system
// has them (what happens to the original later does not matter), else as a hard link (one file with two names: the
// store makes it read-only), else, with `may_copy`, as a copy. Throws VALIDATION_FAILED when only copying would do and
// it is not allowed, DISK_FULL. Blocks.
Taken take_file(int source, const std::filesystem::path& part, bool may_copy);

}  // namespace llmm::storage
