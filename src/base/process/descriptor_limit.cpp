#include "base/process/descriptor_limit.hpp"

#include "base/fs/file.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/resource.h>

namespace llmm {

std::size_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) throw_errno("getrlimit", errno);
    const rlimit wanted{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &wanted) == 0) limit = wanted;
    return limit.rlim_cur;
}

std::size_t servable_connections(std::size_t wanted, std::size_t descriptors) {
    constexpr std::size_t kOwn = 256;  // files of transfers, databases, probes of engines
    const std::size_t for_connections = descriptors > 2 * kOwn ? descriptors - kOwn : descriptors / 2;
    return std::max<std::size_t>(1, std::min(wanted, for_connections / 2));
}

}  // namespace llmm
