/* SPDX-License-Identifier: Apache-2.0 */
#define BOARD_NAME "desk"
