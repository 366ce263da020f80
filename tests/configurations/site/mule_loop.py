"""A mule that waits."""
import time

while True:
    time.sleep(3600)
