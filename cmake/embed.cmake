# cmake -DOUTPUT= -DNAMESPACE= -DSYMBOL= -DFILES= -P embed.cmake: writes the files as byte arrays with their names.
# Bytes, not raw string literals: those have a length limit and could be ended by the content.
set(table "")
set(code "#include \"base/fs/embedded.hpp\"\n\nnamespace ${NAMESPACE} {\nnamespace {\n")
set(index 0)
foreach(file IN LISTS FILES)
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  get_filename_component(name "${file}" NAME)
  string(APPEND code "constexpr unsigned char kFile${index}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${name}\", {reinterpret_cast<const char*>(kFile${index}), sizeof(kFile${index}) - 1}},\n")
  math(EXPR index "${index} + 1")
endforeach()
string(APPEND code "const llmm::EmbeddedFile kTable[] = {\n${table}};\n}  // namespace\n\n"
                   "std::span<const llmm::EmbeddedFile> ${SYMBOL}() { return kTable; }\n}  // namespace ${NAMESPACE}\n")
file(WRITE "${OUTPUT}" "${code}")
