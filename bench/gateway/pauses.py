#!/usr/bin/python3
"""Tells how long this core stood still for everybody: sleeps 5 ms over and over with real-time priority; at the end
(SIGTERM) prints the pauses of over 50 ms as JSON: [seconds since the epoch, milliseconds]."""
import json
import os
import signal
import sys
import time

STEP, WORTH_TELLING = 0.005, 0.05
pauses = []


def tell(*_):
    print(json.dumps(pauses))
    sys.exit(0)


os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
signal.signal(signal.SIGTERM, tell)
while True:
    before = time.monotonic()
    time.sleep(STEP)
    late = time.monotonic() - before - STEP
    if late > WORTH_TELLING:
        pauses.append([round(time.time(), 3), round(late * 1000, 1)])
