"""The same as `kafka-processor audit`, from any folder."""

import sys

from kafka_processor.main import main

if __name__ == "__main__":
    sys.exit(main(["audit", *sys.argv[1:]]))
