# Which compilers are good enough, and the flags that every target shares.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR
    "GCC ${CMAKE_CXX_COMPILER_VERSION} miscompiles coroutines: temporaries of a co_await expression are destroyed twice. "
    "Use the presets (clang 19): cmake --preset release")
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR "clang ${CMAKE_CXX_COMPILER_VERSION} is too old; clang 19 or newer is needed: cmake --preset release")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# One code model for libraries and programs alike: they share the precompiled header.
add_compile_options(-fPIE)
add_link_options("$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-pie>")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1 -fno-omit-frame-pointer")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1 -D_GLIBCXX_ASSERTIONS")

set(LLMM_SANITIZE "" CACHE STRING "Sanitizers, as in -fsanitize=")
option(LLMM_FUZZ "Build the libFuzzer targets" OFF)

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror=switch -Werror=return-type
                    -Werror=unused-result)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # Fields left out of a designated initialiser have their default on purpose.
  add_compile_options(-Wno-missing-designated-field-initializers)
  add_link_options(-fuse-ld=lld)
  # Without it the precompiled header carries its build time and no compiler cache ever hits.
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-fstack-protector-strong -D_FORTIFY_SOURCE=2)
  add_link_options(-Wl,-z,relro,-z,now -Wl,--gc-sections -Wl,--strip-debug)
  add_compile_options(-ffunction-sections -fdata-sections)
endif()
if(LLMM_SANITIZE)
  add_compile_options(-fsanitize=${LLMM_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${LLMM_SANITIZE})
endif()
if(LLMM_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # The sloppiness is what ccache asks for with precompiled headers. These hold absolute paths, so each checkout fills the
  # cache for itself.
  set(launcher "${CMAKE_COMMAND};-E;env;CCACHE_BASEDIR=${CMAKE_SOURCE_DIR};CCACHE_NOHASHDIR=1"
               "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime;${CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
