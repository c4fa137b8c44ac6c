"""`python -m kafka_processor`: the same as `python main.py` and `kafka-processor`."""

import sys

from kafka_processor.main import main

sys.exit(main())
