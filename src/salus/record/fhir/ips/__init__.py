"""The International Patient Summary (HL7 IPS 2.0): what a doctor abroad or at night needs of a record."""
