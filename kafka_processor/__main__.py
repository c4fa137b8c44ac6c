"""`python -m kafka_processor`: the same program as `python main.py`."""

import sys

from kafka_processor.main import main

sys.exit(main())
