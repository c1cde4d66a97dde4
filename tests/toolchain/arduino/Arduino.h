/* SPDX-License-Identifier: Apache-2.0 */
/* What a core's Arduino.h is to a sketch: the public API and the core's serial port. */
#pragma once
#include "ArduinoAPI.h"
#include "HardwareSerial.h"
using namespace arduino;
extern HardwareSerial &Serial;
