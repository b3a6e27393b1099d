// Which device nodes a group may use (subsystem "devices"): what a runtime asks when one is opened
// or made.
#pragma once

#include "warren/subsystem.h"

namespace warren {

// Kinds of access, as bits.
inline constexpr unsigned kDeviceRead = 1;
inline constexpr unsigned kDeviceWrite = 2;
inline constexpr unsigned kDeviceMake = 4;  // mknod(2)

const Subsystem& devices_subsystem();

// A hint, at the price of one load: false when no group of this process denies anything, so that
// nothing needs to be asked.
bool devices_restricted();

// Whether all of `access` to the device is allowed by the rules of the group that `state`, one of
// devices_subsystem(), belongs to; open(2) and mknod(2) fail with EPERM where it is not. Lock-free
// and thread-safe; costs one load where the group has no rules. The caller keeps the state valid,
// by a ReadSection or a reference to its group.
bool device_allowed(const SubsystemState& state, bool block, unsigned major, unsigned minor,
                    unsigned access);

}  // namespace warren
