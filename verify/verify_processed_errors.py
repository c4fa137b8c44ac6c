"""The same as `kafka-processor tail errors`, from any folder."""

import sys

from kafka_processor.main import main

if __name__ == "__main__":
    sys.exit(main(["tail", "errors", *sys.argv[1:]]))
