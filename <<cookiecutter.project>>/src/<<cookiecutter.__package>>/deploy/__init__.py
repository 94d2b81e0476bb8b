"""From the champion to the services that answer by it. Machinery: seldom touched."""
