# Build rules shared by every module. One folder under src/ is one static library `cella_<folder>`.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
# A start is page faults and cold code, so small beats fast: 4 % of `run` against -O3, and a fifth of the binary.
set(CMAKE_CXX_FLAGS_RELEASE "-Os -DNDEBUG")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

add_library(cella_flags INTERFACE)
target_compile_options(cella_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Werror=return-type
  # GCC 12 sees overlaps in std::string that are not there (its bug 105329), and takes the error of a std::expected that
  # holds a value for uninitialized.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  $<$<BOOL:${CELLA_WERROR}>:-Werror>)
target_compile_definitions(cella_flags INTERFACE _GNU_SOURCE)
target_include_directories(cella_flags INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/generated)
# For "quoted" includes alone: src/sys/file.h must not stand in for the system's <sys/file.h>.
target_compile_options(cella_flags INTERFACE -iquote ${CMAKE_SOURCE_DIR}/src)
if(CELLA_SANITIZE)
  target_compile_options(cella_flags INTERFACE -fsanitize=${CELLA_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(cella_flags INTERFACE -fsanitize=${CELLA_SANITIZE})
else()
  target_compile_options(cella_flags INTERFACE -ffunction-sections -fdata-sections)
  target_link_options(cella_flags INTERFACE -Wl,--gc-sections)
endif()

if(CELLA_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
endif()

# cella_module(NAME SOURCES a.cc … [DEPS modules or libraries…] [TESTS a_test.cc …] [EXCEPTIONS])
# Exceptions and RTTI are off unless a module says that a third-party header needs them.
function(cella_module NAME)
  cmake_parse_arguments(M "EXCEPTIONS" "" "SOURCES;DEPS;TESTS;TEST_DEPS" ${ARGN})
  if(M_SOURCES)
    add_library(cella_${NAME} STATIC ${M_SOURCES})
    target_link_libraries(cella_${NAME} PUBLIC cella_flags ${M_DEPS})
    if(NOT M_EXCEPTIONS)
      target_compile_options(cella_${NAME} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>)
    endif()
  else()
    add_library(cella_${NAME} INTERFACE)
    target_link_libraries(cella_${NAME} INTERFACE cella_flags ${M_DEPS})
  endif()
  if(CELLA_TESTS AND M_TESTS)
    add_executable(${NAME}_tests ${M_TESTS})
    target_link_libraries(${NAME}_tests PRIVATE cella_${NAME} ${M_TEST_DEPS} GTest::gtest GTest::gtest_main)
    add_test(NAME ${NAME} COMMAND ${NAME}_tests WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
endfunction()
