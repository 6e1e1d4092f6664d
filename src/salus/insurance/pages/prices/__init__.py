"""Pages of service prices: the price-reform workbench and the lists."""
