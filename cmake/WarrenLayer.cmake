# warren_layer(NAME LINKS...): the static library warren_NAME from every x.cc of the folder, linked to
# the layers below it, and the test program NAME_test from every x_test.cc.
function(warren_layer name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$|/main\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(sources)
    add_library(warren_${name} STATIC ${sources})
    target_link_libraries(warren_${name} PUBLIC ${ARGN} PRIVATE warren_options)
    target_include_directories(warren_${name} PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  else()
    add_library(warren_${name} INTERFACE)
    target_link_libraries(warren_${name} INTERFACE ${ARGN})
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
