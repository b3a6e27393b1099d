# warren_join(OUT OBJECTS...): links object files (generator expressions will do) into the one object file
# OUT. A static library of it is taken whole or not at all, with the objects that register themselves by
# their constructors, which nobody else names.
function(warren_join out)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_LINKER} -r -o ${out} ${ARGN}
    DEPENDS ${ARGN} COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${out} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
endfunction()

# warren_layer(NAME [WHOLE] LINKS...): the static library warren_NAME from every x.cc of the folder, linked
# to the layers below it, and the test program NAME_test from every x_test.cc. WHOLE: see warren_join.
function(warren_layer name)
  cmake_parse_arguments(layer "WHOLE" "" "" ${ARGN})
  set(links ${layer_UNPARSED_ARGUMENTS})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$|/main\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set_property(GLOBAL PROPERTY warren_${name}_sources ${sources})
  if(sources)
    if(layer_WHOLE)
      add_library(warren_${name}_objects OBJECT ${sources})
      target_link_libraries(warren_${name}_objects PUBLIC ${links} PRIVATE warren_options)
      target_include_directories(warren_${name}_objects PRIVATE
        ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
      set(sources ${CMAKE_CURRENT_BINARY_DIR}/warren_${name}.o)
      warren_join(${sources} $<TARGET_OBJECTS:warren_${name}_objects>)
    endif()
    add_library(warren_${name} STATIC ${sources})
    set_target_properties(warren_${name} PROPERTIES LINKER_LANGUAGE CXX)
    target_link_libraries(warren_${name} PUBLIC ${links} PRIVATE warren_options)
    target_include_directories(warren_${name} PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  else()
    add_library(warren_${name} INTERFACE)
    target_link_libraries(warren_${name} INTERFACE ${links})
    target_include_directories(warren_${name} INTERFACE
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  endif()
  if(WARREN_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE warren_${name} warren_options GTest::gtest GTest::gmock GTest::gtest_main)
    # A hang is found in minutes, with its name, and does not take the whole run with it.
    gtest_discover_tests(${name}_test TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 240)
    add_dependencies(unit_tests ${name}_test)
  endif()
endfunction()
