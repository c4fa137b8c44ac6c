"""The same as `kafka-processor tail processed`, from any folder."""

import sys

from kafka_processor.main import main

if __name__ == "__main__":
    sys.exit(main(["tail", "processed", *sys.argv[1:]]))
