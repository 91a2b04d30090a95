#pragma once
#include <string>
#include <vector>

namespace llmm::test {

// What somebody may write into a field who wants more than its place: flags, separators, placeholders, other types.
inline std::vector<std::string> hostile_texts() {
    return {"--privileged",
            "-v/:/host",
            "; rm -rf /",
            "$(reboot)",
            "`id`",
            "a\" , \"Privileged\": true, \"x\":\"",
            "\n--host=0.0.0.0",
            "\r\nX: y",
            "{model}",
            "{value}",
            "{{",
            "}}",
            "{",
            "%s%n",
            "../../etc/passwd",
            "/var/run/docker.sock:/x",
            "\\u0000",
            std::string("a\0b", 3),
            "--entrypoint=/bin/sh",
            "' OR 1=1 --",
            "模型",
            "{\"HostConfig\":{}}",
            "--ctx-size=1",
            "half,full",
            "half\n",
            " half",
            "HALF",
            "0x10",
            "1e3",
            "-1",
            "4097",
            "9223372036854775808",
            "null",
            "true",
            "[]",
            "{}",
            "NetworkMode=host",
            "--pid=host",
            "--cap-add=ALL",
            "image:latest",
            "evil.example/backdoor:1",
            "@sha256:00"};
}

}  // namespace llmm::test
